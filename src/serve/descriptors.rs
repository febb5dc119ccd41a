//! Room for connections: each takes a file descriptor, and so do journal, history and listeners.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are left for everything that is no connection.
const RESERVE: u64 = 256;

/// Raises the limit of open files as far as the system lets us, and tells how many connections
/// fit.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = open_files.saturating_sub(RESERVE).max(RESERVE);
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// The cap of a listener, lowered to what fits; said when that is less than configured.
pub(super) fn cap(listener: &str, configured: usize, fits: usize) -> usize {
    if configured > fits {
        tracing::warn!(
            listener,
            configured,
            fits,
            "connections_max is more than the limit of open files allows; raise LimitNOFILE or ulimit -n"
        );
    }
    configured.min(fits)
}
