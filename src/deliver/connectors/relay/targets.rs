//! Which address of the other receiver is in use: the first one, or one behind it while the ones
//! before do not answer.
use std::sync::atomic::{AtomicUsize, Ordering};

/// The addresses in the order of choice.
#[derive(Debug)]
pub(super) struct Targets {
    /// `host:port`; at least one.
    addresses: Vec<String>,
    /// `current < addresses.len()`.
    current: AtomicUsize,
}

impl Targets {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            current: AtomicUsize::new(0),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// The one in use.
    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// The address with this number.
    pub(super) fn address(&self, index: usize) -> &str {
        self.addresses.get(index).map_or("", String::as_str)
    }

    /// `index` does not answer: the next one is in use, unless somebody else moved on before.
    pub(super) fn failed(&self, index: usize) {
        let next = (index + 1) % self.addresses.len().max(1);
        let moved =
            self.current
                .compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
        if moved.is_ok() && next != index {
            tracing::warn!(
                from = index,
                to = next,
                "another address of the target is in use"
            );
        }
    }

    /// The first one answers again.
    pub(super) fn first_is_back(&self) {
        if self.current.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("the first address of the target is in use again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_once_for_each_failure() {
        let targets = Targets::new(vec!["a:1".to_owned(), "b:2".to_owned()]);
        assert_eq!(targets.address(targets.current()), "a:1");
        targets.failed(0);
        // Another connection found the same out.
        targets.failed(0);
        assert_eq!(targets.current(), 1);
        targets.failed(1);
        assert_eq!(targets.current(), 0);
        targets.failed(0);
        targets.first_is_back();
        assert_eq!(targets.current(), 0);
        let one = Targets::new(vec!["a:1".to_owned()]);
        one.failed(0);
        assert_eq!(one.current(), 0);
    }
}
