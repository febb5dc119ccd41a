//! The house rules, checked on `cargo metadata`, on the sources and on the book.
//!
//! Who may import whom, where a protocol may be named, where the proof of durability may be made,
//! what no source file may hold. Every finding names file, line, what was found and what is allowed.
//! Each rule is also shown to fail, on made-up sources.

mod book;
mod finding;
mod habits;
mod imports;
mod packages;
mod scan;
mod tracked;

use finding::{Finding, none};

#[test]
fn packages_depend_only_on_what_the_house_allows() {
    none(&packages::check(&packages::read()));
}

#[test]
fn sources_import_only_what_the_house_allows() {
    none(&each_source(imports::imports));
}

#[test]
fn no_two_rooms_know_each_other() {
    none(&imports::cycles(&tracked::sources()));
}

#[test]
fn sources_keep_the_house_rules() {
    none(&each_source(habits::habits));
}

#[test]
fn the_proof_of_durability_is_made_in_one_place() {
    let sources = tracked::sources();
    none(&habits::proof(&sources));
}

#[test]
fn the_protocol_crates_cannot_reach_a_clock_a_file_or_a_socket() {
    let sources = tracked::sources();
    none(&habits::no_std(&sources));
}

#[test]
fn nothing_names_a_machine() {
    none(
        &tracked::texts()
            .iter()
            .flat_map(habits::machine)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_book_is_whole() {
    none(&book::check(&tracked::root()));
}

fn each_source(rule: fn(&scan::Source) -> Vec<Finding>) -> Vec<Finding> {
    tracked::sources().iter().flat_map(rule).collect()
}
