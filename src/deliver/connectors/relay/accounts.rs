//! Which account the other receiver sees.
//!
//! ```text
//! rule  = account -> account          (exactly this account)
//!       | front "*" -> front "*"      (every account that starts so; the rest of it stays)
//! ```
//! An exact rule goes before a rule of a front, a longer front before a shorter one. What no rule
//! names goes on as it is. Letter case counts for nothing on the left.
use std::borrow::Cow;
use std::collections::HashMap;

/// Longest account that a frame can carry.
const ACCOUNT_LEN_MAX: usize = 16;

/// The rules of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountMap {
    exact: HashMap<String, String>,
    /// The longest front first.
    fronts: Vec<(String, String)>,
}

impl AccountMap {
    /// Reads the rules; the error says what is wrong with which.
    pub fn read<'r>(
        rules: impl IntoIterator<Item = (&'r String, &'r String)>,
    ) -> Result<Self, String> {
        let mut map = Self::default();
        for (from, to) in rules {
            map.add(from, to)?;
        }
        map.fronts
            .sort_by_key(|(front, _)| std::cmp::Reverse(front.len()));
        Ok(map)
    }

    fn add(&mut self, from: &str, to: &str) -> Result<(), String> {
        let wrong = |what: &str| {
            format!(
                "the rule for `{from}` {what}; write 1234 = \"00A1\" for one account, \
                 \"12*\" = \"9912*\" for all that start with 12"
            )
        };
        let plain = |text: &str| {
            text.len() <= ACCOUNT_LEN_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match (from.strip_suffix('*'), to.strip_suffix('*')) {
            (Some(from), Some(to)) if plain(from) && plain(to) => {
                let from = from.to_ascii_uppercase();
                if self.fronts.iter().any(|(front, _)| *front == from) {
                    return Err(wrong("stands twice"));
                }
                self.fronts.push((from, to.to_owned()));
            }
            (None, None) if plain(from) && plain(to) && !from.is_empty() && !to.is_empty() => {
                if self
                    .exact
                    .insert(from.to_ascii_uppercase(), to.to_owned())
                    .is_some()
                {
                    return Err(wrong("stands twice"));
                }
            }
            (Some(_), None) | (None, Some(_)) => return Err(wrong("has a star on one side only")),
            _ => {
                return Err(wrong(
                    "does not hold two accounts of 1 to 16 letters and digits",
                ));
            }
        }
        Ok(())
    }

    /// The account as the other receiver sees it.
    #[must_use]
    pub fn map<'a>(&'a self, account: &'a str) -> Cow<'a, str> {
        let upper = account.to_ascii_uppercase();
        if let Some(to) = self.exact.get(&upper) {
            return Cow::Borrowed(to);
        }
        let front = self
            .fronts
            .iter()
            .find(|(front, _)| upper.starts_with(front.as_str()));
        match front {
            Some((front, to)) => {
                let rest = account.get(front.len()..).unwrap_or_default();
                Cow::Owned([to, rest].concat())
            }
            None => Cow::Borrowed(account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rules: &[(&str, &str)]) -> Result<AccountMap, String> {
        let owned: Vec<(String, String)> = rules
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect();
        AccountMap::read(owned.iter().map(|(from, to)| (from, to)))
    }

    #[test]
    fn exact_before_longer_before_shorter() {
        let map = map(&[
            ("12*", "9912*"),
            ("123*", "77*"),
            ("1234", "00A1"),
            ("ab*", "*"),
            ("00*", "0*"),
        ])
        .unwrap();
        let to = |account| map.map(account).into_owned();
        assert_eq!(to("1234"), "00A1");
        assert_eq!(to("1235"), "775");
        assert_eq!(to("1299"), "991299");
        assert_eq!(to("AB77"), "77");
        assert_eq!(to("5"), "5");
        assert_eq!(to(""), "");
        assert_eq!(to("00é"), "0é");
    }

    #[test]
    fn wrong_rules_are_named() {
        let error = |from, to| map(&[(from, to)]).unwrap_err();
        assert!(error("12*", "1").contains("`12*` has a star on one side"));
        assert!(error("", "1").contains("1 to 16"));
        assert!(error("1", "2 3").contains("1 to 16"));
        assert!(error("1", "12345678901234567").contains("1 to 16"));
        assert!(
            map(&[("a", "2"), ("A", "3")])
                .unwrap_err()
                .contains("twice")
        );
    }
}
