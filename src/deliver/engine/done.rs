//! Which positions are done: all up to a low watermark, and ranges above it.
//!
//! Ranges are as many as there are gaps between them, and each gap holds an event that waits, so
//! the bound on waiting events bounds them too.
//!
//! ```text
//! bytes = low ranges (gap length)…   all LEB128: gap = start - end before, length = end - start
//! ```
use std::collections::BTreeMap;

/// A set of positions.
///
/// Ranges are disjoint, do not touch, and `start > low + 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    low: u64,
    /// First position to last position.
    ranges: BTreeMap<u64, u64>,
}

impl Done {
    /// Everything up to `low`.
    pub(super) fn up_to(low: u64) -> Self {
        Self {
            low,
            ranges: BTreeMap::new(),
        }
    }

    /// Everything up to here is done.
    pub(super) fn low(&self) -> u64 {
        self.low
    }

    /// The highest position that is done.
    pub(super) fn high(&self) -> u64 {
        self.ranges
            .last_key_value()
            .map_or(self.low, |(_, end)| *end)
    }

    pub(super) fn contains(&self, position: u64) -> bool {
        position <= self.low
            || (self.ranges.range(..=position).next_back()).is_some_and(|(_, end)| *end >= position)
    }

    /// The first position of `first..=last` that is not done.
    pub(super) fn gap(&self, first: u64, last: u64) -> Option<u64> {
        let first = first.max(self.low + 1);
        let behind = match self.ranges.range(..=first).next_back() {
            Some((_, end)) if *end >= first => *end + 1,
            _ => first,
        };
        (behind <= last).then_some(behind)
    }

    /// The positions of `first..=last` that are done, as ranges.
    pub(super) fn within(&self, first: u64, last: u64) -> Self {
        let mut part = Self::default();
        if first <= self.low && first <= last {
            part.ranges.insert(first, self.low.min(last));
        }
        let before = self.ranges.range(..first).next_back();
        for (start, end) in before.into_iter().chain(self.ranges.range(first..)) {
            if *start > last {
                break;
            }
            let (start, end) = ((*start).max(first), (*end).min(last));
            if start <= end {
                part.ranges.insert(start, end);
            }
        }
        part
    }

    pub(super) fn add(&mut self, position: u64) {
        self.add_range(position, position);
    }

    pub(super) fn add_range(&mut self, first: u64, last: u64) {
        if last < first || last <= self.low {
            return;
        }
        if first <= self.low + 1 {
            self.low = last;
        } else {
            self.insert(first, last);
        }
        self.absorb();
    }

    /// Merges with what touches; `first > low + 1`.
    fn insert(&mut self, mut first: u64, mut last: u64) {
        if let Some((start, end)) = self.ranges.range(..=first).next_back()
            && *end + 1 >= first
        {
            (first, last) = (*start, last.max(*end));
        }
        while let Some((start, end)) = self.ranges.range(first..).next()
            && *start <= last.saturating_add(1)
        {
            let (start, end) = (*start, *end);
            last = last.max(end);
            self.ranges.remove(&start);
        }
        self.ranges.insert(first, last);
    }

    /// Lets the watermark rise over ranges that it touches.
    fn absorb(&mut self) {
        while let Some(range) = self.ranges.first_entry()
            && *range.key() <= self.low + 1
        {
            self.low = self.low.max(range.remove());
        }
    }

    /// These positions are to be done again.
    pub(super) fn remove_range(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        if first <= self.low {
            let low = std::mem::replace(&mut self.low, first - 1);
            if low > last {
                self.ranges.insert(last + 1, low);
            }
        }
        let cut: Vec<(u64, u64)> = (self.ranges.range(..=last).rev())
            .take_while(|(_, end)| **end >= first)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (start, end) in cut {
            self.ranges.remove(&start);
            if start < first {
                self.ranges.insert(start, first - 1);
            }
            if end > last {
                self.ranges.insert(last + 1, end);
            }
        }
    }

    /// The ranges above the watermark.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(start, end)| (*start, *end))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.low);
        put(out, self.ranges.len() as u64);
        let mut before = self.low;
        for (start, end) in &self.ranges {
            put(out, start - before);
            put(out, end - start);
            before = *end;
        }
    }

    /// `None` where the bytes are no such set.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut done = Self::up_to(take(&mut bytes)?);
        let mut before = done.low;
        for _ in 0..take(&mut bytes)? {
            let start = before.checked_add(take(&mut bytes)?)?;
            let end = start.checked_add(take(&mut bytes)?)?;
            if start <= before + 1 {
                return None;
            }
            done.ranges.insert(start, end);
            before = end;
        }
        bytes.is_empty().then_some(done)
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7F).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7F);
        value |= part.checked_shl(shift).filter(|v| v >> shift == part)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 1u64..80, 0u64..12), 0..60)) {
            let mut done = Done::default();
            let mut model = BTreeSet::new();
            for (add, first, len) in steps {
                if add {
                    done.add_range(first, first + len);
                    model.extend(first..=first + len);
                } else {
                    done.remove_range(first, first + len);
                    model.retain(|p| !(first..=first + len).contains(p));
                }
                for position in 1..100 {
                    prop_assert_eq!(done.contains(position), model.contains(&position));
                }
                let low = (1..u64::MAX).find(|p| !model.contains(p)).unwrap() - 1;
                prop_assert_eq!(done.low(), low);
                let gap = (first..=first + 9).find(|p| !model.contains(p));
                prop_assert_eq!(done.gap(first, first + 9), gap);
                let part = done.within(first, first + 9);
                for position in 1..100 {
                    let there = model.contains(&position) && (first..=first + 9).contains(&position);
                    prop_assert_eq!(part.contains(position), there);
                }
                let mut before = done.low();
                for (start, end) in done.ranges() {
                    prop_assert!(start > before + 1 && end >= start);
                    before = end;
                }
                let mut bytes = Vec::new();
                done.encode(&mut bytes);
                prop_assert_eq!(Done::decode(&bytes), Some(done.clone()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Done::decode(&bytes);
        }
    }
}
