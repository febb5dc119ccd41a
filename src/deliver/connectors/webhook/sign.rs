//! Signatures by the Standard Webhooks convention.
//!
//! Signed are the id, a full stop, the Unix time in seconds of this try, a full stop, and the body
//! as sent: HMAC-SHA256, base64, with `v1,` before it. While a secret is being replaced, each of
//! the secrets signs, and the signatures stand side by side, parted by a space: the receiver
//! accepts whichever it knows.
//!
//! Grammar of the secret file: lines; an empty line and one that starts with `#` are skipped; every
//! other one is `whsec_` and the base64 of 24 to 64 bytes.
use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Most secrets at a time: each adds 48 bytes to every request.
pub(super) const SECRETS_MAX: usize = 4;

/// The secrets that sign, at least one.
pub(super) struct Secrets(Vec<hmac::Key>);

/// Why a secret file cannot be used. It never repeats the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    /// The file has no secret.
    #[error(
        "holds no secret; write one `whsec_…` on a line, such as `echo whsec_$(openssl rand -base64 32)` prints"
    )]
    Empty,
    /// The file has too many.
    #[error("holds more than {SECRETS_MAX} secrets; take the oldest ones out")]
    TooMany,
    /// A line is no secret.
    #[error("line {0} is no secret; it has to be `whsec_` and the base64 of 24 to 64 bytes")]
    Malformed(usize),
}

impl Secrets {
    /// Reads the text of a secret file.
    pub(super) fn parse(text: &str) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if keys.len() == SECRETS_MAX {
                return Err(SecretError::TooMany);
            }
            let malformed = SecretError::Malformed(at + 1);
            let coded = line.strip_prefix("whsec_").ok_or(malformed)?;
            let bytes = Zeroizing::new(STANDARD.decode(coded).map_err(|_| malformed)?);
            if !(24..=64).contains(&bytes.len()) {
                return Err(malformed);
            }
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        if keys.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Self(keys))
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let mut out = String::with_capacity(self.0.len() * 48);
        for key in &self.0 {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str("v1,");
            STANDARD.encode_string(context.sign(), &mut out);
        }
        out
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"type":"alarm.event","account":"1234","code":"BA","zone":"005"}"#;
    const SIGNED: &str = "v1,Mx/gX/aOCOLplEPcgM+Iygvpc6zVTPWKhXnFfBFaFxM=";

    #[test]
    fn the_known_answer_comes_out() {
        let secrets = Secrets::parse(&format!("# now\n\n{SECRET}\n")).unwrap();
        assert_eq!(secrets.sign("evt_0001", 1_795_589_400, BODY), SIGNED);
        assert_ne!(secrets.sign("evt_0001", 1_795_589_401, BODY), SIGNED);
        assert_ne!(secrets.sign("evt_0002", 1_795_589_400, BODY), SIGNED);
    }

    #[test]
    fn each_secret_signs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = Secrets::parse(&format!("{other}\n{SECRET}")).unwrap();
        let signed = both.sign("evt_0001", 1_795_589_400, BODY);
        let (first, second) = signed.split_once(' ').unwrap();
        assert_eq!(second, SIGNED);
        assert_eq!(
            first,
            Secrets::parse(&other)
                .unwrap()
                .sign("evt_0001", 1_795_589_400, BODY)
        );
    }

    #[test]
    fn a_wrong_file_is_told_by_line_and_never_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let cases = [
            (String::new(), SecretError::Empty),
            ("# nothing".to_owned(), SecretError::Empty),
            (format!("{SECRET}\nhunter2"), SecretError::Malformed(2)),
            ("whsec_%%%".to_owned(), SecretError::Malformed(1)),
            (short, SecretError::Malformed(1)),
            (long, SecretError::Malformed(1)),
            ([SECRET; 5].join("\n"), SecretError::TooMany),
        ];
        for (text, expected) in cases {
            let error = Secrets::parse(&text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(
            format!("{:?}", Secrets::parse(SECRET).unwrap()),
            "Secrets(1)"
        );
    }
}
