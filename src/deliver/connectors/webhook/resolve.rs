//! Names to addresses, with those left out that a name must not lead to.
//!
//! The URL is fixed by the configuration, and redirects are not followed. What is left is the name
//! itself: whoever holds its zone could point it at this machine or at the network behind it. So a
//! name leads to public addresses, and to private ones only inside the networks that are listed.
//! An address that the URL itself holds, and `localhost`, are listed by standing there.
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{io, vec};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::network::{Network, is_public};

/// Resolves by the system, and judges what comes back.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    networks: Arc<[Network]>,
}

impl Guarded {
    pub(super) fn new(networks: &[Network]) -> Self {
        Self {
            networks: networks.into(),
        }
    }

    fn allows(&self, name: &str, address: SocketAddr) -> bool {
        let ip = address.ip();
        is_public(ip)
            || (name == "localhost" && ip.is_loopback())
            || self.networks.iter().any(|network| network.holds(ip))
    }
}

impl Service<Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move {
            // The port is the connector's to set.
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let any = !found.is_empty();
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|address| guard.allows(name.as_str(), *address))
                .collect();
            if any && allowed.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the name leads to a private address that no entry of `networks` lists",
                ));
            }
            Ok(allowed.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_private_addresses_only_where_listed() {
        let guard = Guarded::new(&["10.1.0.0/16".parse().unwrap()]);
        let allows =
            |name, address: &str| guard.allows(name, SocketAddr::new(address.parse().unwrap(), 0));
        assert!(allows("alarm.example.org", "203.0.113.9"));
        assert!(allows("alarm.example.org", "10.1.2.3"));
        assert!(!allows("alarm.example.org", "10.2.2.3"));
        assert!(!allows("alarm.example.org", "127.0.0.1"));
        assert!(allows("localhost", "127.0.0.1"));
        assert!(!allows("localhost", "10.2.0.1"));
    }
}
