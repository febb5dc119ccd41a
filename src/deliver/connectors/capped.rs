//! A connector whose batches are smaller than it would like, as the configuration says.
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::deliver::{Connector, Delivery, Limits, Pending, Verdict};

/// Passes everything on, and caps the limits alone.
pub(super) struct Capped {
    inner: Arc<dyn Connector>,
    limits: Limits,
}

impl Capped {
    /// `inner` with at most this many events in a batch, and batches in flight; `None`: its own.
    pub(super) fn wrap(
        inner: Arc<dyn Connector>,
        batch_events: Option<usize>,
        in_flight: Option<usize>,
    ) -> Arc<dyn Connector> {
        if batch_events.is_none() && in_flight.is_none() {
            return inner;
        }
        let own = inner.limits();
        let cap = |own: usize, most: Option<usize>| most.map_or(own, |most| own.min(most)).max(1);
        let limits = Limits {
            batch_events: cap(own.batch_events, batch_events),
            in_flight: cap(own.in_flight, in_flight),
            ..own
        };
        Arc::new(Self { inner, limits })
    }
}

impl Connector for Capped {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
        self.inner.deliver(batch)
    }

    fn attend(&self, stop: CancellationToken) -> Pending<'_, ()> {
        self.inner.attend(stop)
    }

    fn close(&self) -> Pending<'_, ()> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Wide;

    impl Connector for Wide {
        fn limits(&self) -> Limits {
            Limits {
                batch_events: 100,
                batch_bytes: 1_000,
                in_flight: 8,
            }
        }

        fn deliver<'a>(&'a self, batch: &'a [Delivery]) -> Pending<'a, Vec<Verdict>> {
            Box::pin(async move { vec![Verdict::Delivered; batch.len()] })
        }
    }

    #[test]
    fn the_smaller_number_holds() {
        let limits = |batch_events, in_flight| {
            let limits = Capped::wrap(Arc::new(Wide), batch_events, in_flight).limits();
            (limits.batch_events, limits.batch_bytes, limits.in_flight)
        };
        assert_eq!(limits(None, None), (100, 1_000, 8));
        assert_eq!(limits(Some(10), Some(50)), (10, 1_000, 8));
        assert_eq!(limits(Some(0), Some(1)), (1, 1_000, 1));
    }
}
