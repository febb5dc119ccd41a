//! The checker's atomics, locks and threads for the watermark and its bell.
pub(crate) use crate::sync::{Thread, current, park_timeout};
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use std::sync::{Arc, Weak};
