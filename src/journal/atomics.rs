//! Atomics, locks and parking of the watermark and its bell; the model of the hand-over puts those
//! of its checker here instead.
pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
pub(super) use std::sync::{Arc, Mutex, MutexGuard, Weak};
pub(super) use std::thread::{Thread, current, park_timeout};
