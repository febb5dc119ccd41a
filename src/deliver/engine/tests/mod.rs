//! The engine as a whole, against a real journal in a real directory, by question.
mod asked;
mod backlog;
mod chaos;
mod failing;
mod world;
