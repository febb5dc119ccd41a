//! TLS configurations from files: who is let in, who is not, and what a wrong file is told.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use larm::tls::{ClientTls, ServerTls, TlsError, client, server, server_name};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::{Authority, Leaf};

/// One connection between the two: what the client reads after the server has let it in.
async fn talk(at: Arc<ServerConfig>, by: Arc<ClientConfig>, name: &str) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(at).accept(socket).await?;
        stream.write_all(b"let in").await?;
        stream.shutdown().await
    });
    let name = server_name(name).expect("a name");
    let mut stream = TlsConnector::from(by)
        .connect(name, TcpStream::connect(address).await?)
        .await?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await?;
    serving.await.expect("no panic")?;
    Ok(heard)
}

fn serving(leaf: &Leaf, client_ca: Option<PathBuf>) -> Arc<ServerConfig> {
    let files = ServerTls {
        certificate: leaf.certificate.clone(),
        key: leaf.key.clone(),
        client_ca,
    };
    server(&files).expect("sound files")
}

fn calling(authority: &Authority, leaf: Option<&Leaf>) -> Arc<ClientConfig> {
    let files = ClientTls {
        ca: Some(authority.ca()),
        certificate: leaf.map(|leaf| leaf.certificate.clone()),
        key: leaf.map(|leaf| leaf.key.clone()),
    };
    client(&files).expect("sound files")
}

#[tokio::test]
async fn who_shows_the_right_certificate_is_let_in() {
    let ours = Authority::new();
    let at = ours.server("server");
    let plain = talk(serving(&at, None), calling(&ours, None), "localhost").await;
    assert_eq!(plain.expect("trusted"), "let in");

    let me = ours.client("gateway");
    let both = talk(
        serving(&at, Some(ours.ca())),
        calling(&ours, Some(&me)),
        "127.0.0.1",
    )
    .await;
    assert_eq!(both.expect("both trusted"), "let in");
}

#[tokio::test]
async fn who_shows_the_wrong_certificate_is_not() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let at = ours.server("server");
    let other_authority = talk(serving(&at, None), calling(&theirs, None), "localhost").await;
    assert!(
        other_authority
            .expect_err("another authority")
            .to_string()
            .contains("UnknownIssuer")
    );

    let other_name = talk(
        serving(&at, None),
        calling(&ours, None),
        "alarm.example.org",
    )
    .await;
    assert!(
        other_name
            .expect_err("another name")
            .to_string()
            .contains("not valid for name")
    );

    let nobody = talk(
        serving(&at, Some(ours.ca())),
        calling(&ours, None),
        "localhost",
    )
    .await;
    nobody.expect_err("a client without a certificate");
    let stranger = theirs.client("stranger");
    let stranger = talk(
        serving(&at, Some(ours.ca())),
        calling(&ours, Some(&stranger)),
        "localhost",
    );
    stranger.await.expect_err("a client of another authority");
}

#[test]
fn a_wrong_file_is_named() {
    let ours = Authority::new();
    let (me, other) = (ours.client("me"), ours.client("other"));
    let write = |name: &str, text: &str| {
        let file = ours.directory().join(name);
        std::fs::write(&file, text).expect("a writable directory");
        file
    };
    let missing = ours.directory().join("missing.pem");
    let empty = write("empty.pem", "");
    let torn = write("torn.pem", "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n");

    let ca = |file: &Path| ClientTls {
        ca: Some(file.to_owned()),
        ..ClientTls::default()
    };
    let said = |files: &ClientTls| client(files).expect_err("a wrong file").to_string();
    assert!(said(&ca(&missing)).starts_with(&format!("cannot read {}", missing.display())));
    assert!(said(&ca(&empty)).contains("empty.pem holds no certificate"));
    let about_torn = said(&ca(&torn));
    assert!(
        about_torn.contains("torn.pem is not valid PEM"),
        "{about_torn}"
    );
    assert!(
        !about_torn.contains("c2VjcmV0"),
        "a file's content is not shown: {about_torn}"
    );

    let mut files = ca(&ours.ca());
    files.certificate = Some(me.certificate.clone());
    assert!(matches!(
        client(&files),
        Err(TlsError::Half { missing: "key", .. })
    ));
    files.key = Some(me.certificate.clone());
    assert!(matches!(client(&files), Err(TlsError::NoKey { .. })));
    files.key = Some(other.key);
    assert!(matches!(client(&files), Err(TlsError::Mismatch { .. })));

    let files = ServerTls {
        certificate: me.certificate,
        key: me.key,
        client_ca: Some(empty),
    };
    assert!(matches!(
        server(&files),
        Err(TlsError::NoCertificate { .. })
    ));
    assert!(matches!(
        server_name("no name\n"),
        Err(TlsError::ServerName { .. })
    ));
}
