//! From SIA codes to Contact ID codes and back: the nearest code, always.
//!
//! The rows stand in `sia-to-cid.txt` and `cid-to-sia.txt`, which the book shows as they are. A
//! code that is in neither goes by what the record says about it: kind, then category.
use std::sync::LazyLock;

use larm_event::{Category, Kind};

use super::surgard::Qualifier;

#[cfg(test)]
mod tests;

/// A Contact ID code with its qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cid {
    /// New, over or still there.
    pub qualifier: Qualifier,
    /// Three digits.
    pub code: &'static str,
}

const SIA_ROWS: &str = include_str!("sia-to-cid.txt");
const CID_ROWS: &str = include_str!("cid-to-sia.txt");

/// Sorted by SIA code.
static TO_CID: LazyLock<Vec<(&str, Cid)>> = LazyLock::new(|| {
    let rows = rows(SIA_ROWS).filter_map(|row| {
        let (sia, cid) = row.split_once(' ')?;
        Some((sia, signed(cid)?))
    });
    rows.collect()
});

/// Sorted by Contact ID code: for new and still there, for over.
static TO_SIA: LazyLock<Vec<(&str, [&str; 2])>> = LazyLock::new(|| {
    let rows = rows(CID_ROWS).filter_map(|row| {
        let mut parts = row.split(' ');
        Some((parts.next()?, [parts.next()?, parts.next()?]))
    });
    rows.collect()
});

fn rows(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn signed(text: &'static str) -> Option<Cid> {
    let (sign, code) = text.split_at_checked(1)?;
    let qualifier = Qualifier::from_letter(sign.chars().next()?)?;
    Some(Cid { qualifier, code })
}

/// The Contact ID code of a SIA code as sent.
#[must_use]
pub fn to_cid(sia: &str) -> Option<Cid> {
    let at = TO_CID.binary_search_by_key(&sia, |(code, _)| code).ok()?;
    TO_CID.get(at).map(|(_, cid)| *cid)
}

/// The SIA code of a Contact ID code as sent.
#[must_use]
pub fn to_sia(cid: &str, qualifier: Qualifier) -> Option<&'static str> {
    // The vendors' block is one row, as in the table of codes.
    let digits = cid.len() == 3 && cid.bytes().all(|digit| digit.is_ascii_digit());
    let vendor = digits && ("750"..="789").contains(&cid);
    let cid = if vendor { "750" } else { cid };
    let at = TO_SIA.binary_search_by_key(&cid, |(code, _)| code).ok()?;
    let [new, over] = TO_SIA.get(at).map(|(_, sia)| *sia)?;
    Some(match qualifier {
        Qualifier::Event | Qualifier::Previous => new,
        Qualifier::Restore => over,
    })
}

/// The Contact ID code of a thing whose code has no row.
#[must_use]
pub fn cid_of(kind: Kind, category: Category) -> Cid {
    let over = matches!(kind, Kind::Restoral | Kind::TroubleRestoral | Kind::Close);
    let code = match kind {
        // What is not known may be an alarm.
        Kind::Alarm | Kind::Restoral | Kind::Unknown => alarm(category),
        Kind::Trouble | Kind::TroubleRestoral => trouble(category),
        Kind::Open | Kind::Close => "400",
        Kind::Bypass => "570",
        Kind::Test => "602",
        Kind::Supervision => "350",
        Kind::Access => "422",
        Kind::Status => "605",
    };
    let qualifier = if over {
        Qualifier::Restore
    } else {
        Qualifier::Event
    };
    Cid { qualifier, code }
}

/// The SIA code of a thing whose code has no row.
#[must_use]
pub fn sia_of(kind: Kind, category: Category) -> &'static str {
    if kind == Kind::Unknown && category == Category::Other {
        return "UX";
    }
    let cid = cid_of(kind, category);
    // Every code of the two functions below has a row: a test holds that.
    to_sia(cid.code, cid.qualifier).unwrap_or("UX")
}

const fn alarm(category: Category) -> &'static str {
    match category {
        Category::Intrusion => "130",
        Category::HoldUp => "122",
        Category::Fire => "110",
        Category::Medical => "100",
        Category::Social => "101",
        Category::Gas => "151",
        Category::Water => "154",
        Category::Temperature => "158",
        Category::Tamper => "137",
        Category::Access => "423",
        Category::Technical
        | Category::Power
        | Category::Communication
        | Category::Test
        | Category::Other => "140",
    }
}

const fn trouble(category: Category) -> &'static str {
    match category {
        Category::Fire => "373",
        Category::HoldUp => "376",
        Category::Power => "301",
        Category::Communication => "350",
        Category::Tamper => "383",
        Category::Access => "427",
        Category::Intrusion
        | Category::Medical
        | Category::Social
        | Category::Gas
        | Category::Water
        | Category::Temperature => "380",
        Category::Technical | Category::Test | Category::Other => "300",
    }
}
