//! The JSON form of the record is a contract with everybody downstream: these tests hold it.
mod build;
mod docs;
mod json;
mod schema;
