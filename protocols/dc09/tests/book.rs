//! The page about DC-09 names every quirk with its brand, source and effect, and every deviation.
use larm_dc09::{Deviation, QUIRKS};

#[test]
fn the_page_tells_every_quirk_and_deviation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/dc09.md");
    let page = std::fs::read_to_string(path).expect("the page stands in docs/src");
    let rows = QUIRKS.iter().map(|info| {
        format!(
            "| `{}` | {} | {} | {} |",
            info.name, info.brand, info.source, info.effect
        )
    });
    let words = Deviation::ALL
        .iter()
        .map(|deviation| format!("`{}`", deviation.as_str()));
    let missing: Vec<String> = rows
        .chain(words)
        .filter(|text| !page.contains(text))
        .collect();
    assert!(
        missing.is_empty(),
        "missing in docs/src/dc09.md:\n{}",
        missing.join("\n")
    );
}
