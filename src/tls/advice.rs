//! What a person does about a handshake that failed.
//!
//! Libraries above rustls hand its errors on as text, so the text is what is read here; the tests
//! make the texts from rustls' own errors.

/// What rustls says, and what to do about it.
const ADVICE: [(&str, &str); 6] = [
    (
        "UnknownIssuer",
        "name the authority that signed the other side's certificate in `ca_file`, or give the \
         other side one that is signed by it",
    ),
    (
        "certificate not valid for name",
        "reach the other side by a name of its certificate, or write that name as `server_name` \
         where the connector has this key",
    ),
    (
        "ertificate expired",
        "the other side needs a new certificate; see that this machine's clock is right",
    ),
    (
        "ertificate not valid yet",
        "see that this machine's clock is right",
    ),
    (
        "invalid peer certificate",
        "see the other side's certificate, and `ca_file`",
    ),
    (
        "received fatal alert",
        "the other side refused: see larm's own certificate in `certificate_file`, and what the \
         other side trusts",
    ),
];

/// The reason with what to do about it, where it is one of TLS; any other stays as it is.
#[must_use]
pub fn advised(mut why: String) -> String {
    let advice = ADVICE.iter().find(|(sign, _)| why.contains(sign));
    if let Some((_, advice)) = advice {
        why.push_str(": ");
        why.push_str(advice);
    }
    why
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{AlertDescription, CertificateError, Error};
    use tokio_rustls::rustls;

    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let certificate = |error| Error::InvalidCertificate(error);
        let name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("alarm.example.org").unwrap(),
            presented: vec!["DnsName(\"localhost\")".to_owned()],
        };
        let late = CertificateError::ExpiredContext {
            time: at(7),
            not_after: at(5),
        };
        let early = CertificateError::NotValidYetContext {
            time: at(5),
            not_before: at(7),
        };
        for (error, word) in [
            (certificate(CertificateError::UnknownIssuer), "`ca_file`"),
            (certificate(name), "`server_name`"),
            (certificate(late), "new certificate"),
            (certificate(early), "clock"),
            (certificate(CertificateError::BadSignature), "`ca_file`"),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "`certificate_file`",
            ),
        ] {
            let said = advised(error.to_string());
            assert!(said.contains(word), "{said}");
        }
        assert_eq!(advised("refused".to_owned()), "refused");
    }
}
