//! Certificates of an authority that exists for one test only, made by the `openssl` command.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority with the files that it made. They go with it.
pub(crate) struct Authority {
    directory: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let extensions =
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
        authority.make("ca", extensions, &[]);
        authority
    }

    /// The authority's own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for a server at the loopback address and at `localhost`.
    pub(crate) fn server(&self, name: &str) -> Leaf {
        self.server_named(name, "DNS:localhost,IP:127.0.0.1")
    }

    /// A certificate for a server with other names, as OpenSSL writes them.
    pub(crate) fn server_named(&self, name: &str, names: &str) -> Leaf {
        self.leaf(
            name,
            &format!("extendedKeyUsage=serverAuth\nsubjectAltName={names}\n"),
        )
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, name: &str) -> Leaf {
        self.leaf(name, "extendedKeyUsage=clientAuth\n")
    }

    fn leaf(&self, name: &str, extensions: &str) -> Leaf {
        let signer = [
            "-CA".into(),
            self.ca().into_os_string(),
            "-CAkey".into(),
            self.path("ca.key").into_os_string(),
        ];
        self.make(name, extensions, &signer);
        Leaf {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    fn make(&self, name: &str, extensions: &str, signer: &[std::ffi::OsString]) {
        let mut config = String::from("[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n");
        // Named by the directory, so that two authorities never look like one.
        let own = self
            .directory
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        write!(config, "CN={name} of {own}\n[extensions]\n{extensions}").expect("a string grows");
        let config_file = self.path(&format!("{name}.cnf"));
        std::fs::write(&config_file, config).expect("a writable directory");
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args([
                "-noenc",
                "-days",
                "2",
                "-extensions",
                "extensions",
                "-config",
            ])
            .arg(&config_file)
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")))
            .args(signer)
            .output()
            .expect("the package `openssl`: tests/run --install-only");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// The directory of the files, for further ones.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}
