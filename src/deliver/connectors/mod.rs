//! The connectors: one file each, and the one place that knows all of them.
