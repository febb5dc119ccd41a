//! Accounts in a field made for four decimal digits.
use std::collections::BTreeMap;

/// What becomes of an account that is longer, or has letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfit {
    /// It does not go into the field: the event goes out in a form that has room for it.
    #[default]
    OtherForm,
    /// It is written whole, in a field that becomes wider.
    Widen,
    /// Its left digits go into the line number.
    IntoLine,
}

/// How accounts are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// What becomes of those that do not fit.
    pub unfit: Unfit,
    /// The other side takes hexadecimal letters in the four characters.
    pub letters: bool,
    /// Accounts with a number of their own for this connector.
    pub map: BTreeMap<String, String>,
}

/// An account as it stands in the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Four characters, or more where widened.
    pub account: String,
    /// What replaces the line number.
    pub line: Option<String>,
}

/// Characters of the field.
const FIELD: usize = 4;
/// Most characters of a widened field.
const WIDE_MAX: usize = 16;

impl Accounts {
    /// The account in the field beside a line number of `line_len` characters; `None`: it does not
    /// go there.
    #[must_use]
    pub fn fit(&self, account: &str, line_len: usize) -> Option<Fitted> {
        let written = self.map.get(account).map_or(account, String::as_str);
        if self.fits(written) {
            return Some(alone(format!("{written:0>FIELD$}")));
        }
        match self.unfit {
            Unfit::OtherForm => None,
            Unfit::Widen => {
                let wide = (1..=WIDE_MAX).contains(&written.len())
                    && written.bytes().all(|byte| byte.is_ascii_alphanumeric());
                wide.then(|| alone(format!("{written:0>FIELD$}")))
            }
            Unfit::IntoLine => into_line(written, line_len),
        }
    }

    fn fits(&self, account: &str) -> bool {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => true,
            b'A'..=b'F' => self.letters,
            _ => false,
        };
        (1..=FIELD).contains(&account.len()) && account.bytes().all(digit)
    }
}

fn alone(account: String) -> Fitted {
    Fitted {
        account,
        line: None,
    }
}

fn into_line(account: &str, line_len: usize) -> Option<Fitted> {
    let digits = account.bytes().all(|byte| byte.is_ascii_digit());
    let (left, right) = account.split_at_checked(account.len().checked_sub(FIELD)?)?;
    (digits && (1..=line_len).contains(&left.len())).then(|| Fitted {
        account: right.to_owned(),
        line: Some(format!("{left:0>line_len$}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(unfit: Unfit, letters: bool) -> Accounts {
        Accounts {
            unfit,
            letters,
            map: [("A1B2C3", "0777"), ("1234", "4321"), ("55", "123456")]
                .map(|(from, to)| (from.to_owned(), to.to_owned()))
                .into(),
        }
    }

    fn fit(unfit: Unfit, letters: bool, account: &str, line_len: usize) -> Option<String> {
        let fitted = accounts(unfit, letters).fit(account, line_len)?;
        let line = fitted.line.unwrap_or_else(|| "-".to_owned());
        Some(format!("{line} {}", fitted.account))
    }

    #[test]
    fn four_digits_and_less_fit_and_a_map_goes_first() {
        for unfit in [Unfit::OtherForm, Unfit::Widen, Unfit::IntoLine] {
            for (account, field) in [
                ("9876", "- 9876"),
                ("12", "- 0012"),
                ("A1B2C3", "- 0777"),
                ("1234", "- 4321"),
            ] {
                assert_eq!(fit(unfit, false, account, 1).as_deref(), Some(field));
            }
            assert_eq!(fit(unfit, false, "", 1), None);
            assert_eq!(fit(unfit, true, "12#4", 1), None);
            assert_eq!(fit(unfit, true, "BCDF", 1).as_deref(), Some("- BCDF"));
        }
    }

    #[test]
    fn what_does_not_fit_goes_as_set() {
        use Unfit::{IntoLine, OtherForm, Widen};
        for (unfit, account, line_len, field) in [
            (OtherForm, "12345", 3, None),
            (OtherForm, "B123", 3, None),
            (OtherForm, "55", 3, None),
            (Widen, "12345", 1, Some("- 12345")),
            (Widen, "B123", 1, Some("- B123")),
            (Widen, "B1", 1, Some("- 00B1")),
            (Widen, "1234567890ABCDEF", 1, Some("- 1234567890ABCDEF")),
            (Widen, "1234567890ABCDEF0", 1, None),
            (IntoLine, "51234", 1, Some("5 1234")),
            (IntoLine, "651234", 1, None),
            (IntoLine, "651234", 3, Some("065 1234")),
            (IntoLine, "7651234", 3, Some("765 1234")),
            (IntoLine, "B1234", 3, None),
            (IntoLine, "B12", 3, None),
        ] {
            assert_eq!(
                fit(unfit, false, account, line_len).as_deref(),
                field,
                "{account}"
            );
        }
    }
}
