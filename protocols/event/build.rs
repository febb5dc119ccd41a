//! Turns the code tables in `tables/` into sorted static arrays, so that nothing is parsed at
//! start-up.
//!
//! A row that is out of order, or holds a word that the record does not know, ends the build with
//! the file and the line.
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let out = Path::new(&out);
    rerun_if_changed("build.rs");
    fs::write(out.join("sia.rs"), array("tables/sia.csv", "Sia", sia_row)?)?;
    fs::write(out.join("cid.rs"), array("tables/cid.csv", "Cid", cid_row)?)?;
    Ok(())
}

fn rerun_if_changed(path: &str) {
    println!("cargo::rerun-if-changed={path}");
}

/// A static array `TABLE` with one element per line of the file behind the heading.
fn array(
    path: &str,
    element: &str,
    row: fn(&Row) -> Result<String, String>,
) -> Result<String, Box<dyn Error>> {
    rerun_if_changed(path);
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines();
    let heading = fields(lines.next().ok_or("the table is empty")?);
    let mut elements = String::new();
    let (mut count, mut last) = (0usize, String::new());
    for line in lines {
        let number = count + 2;
        let row_fields = Row {
            heading: &heading,
            fields: fields(line),
        };
        let at = |error: String| format!("{path}:{number}: {error}");
        let code = row_fields.field("code").map_err(at)?;
        if *code <= *last {
            return Err(at(format!("`{code}` does not belong behind `{last}`")).into());
        }
        code.clone_into(&mut last);
        writeln!(elements, "    {},", row(&row_fields).map_err(at)?)?;
        count += 1;
    }
    Ok(format!(
        "static TABLE: [{element}Code; {count}] = [\n{elements}];\n"
    ))
}

fn sia_row(row: &Row) -> Result<String, String> {
    Ok(format!(
        "SiaCode {{ code: {:?}, form: {}, category: {}, address: {} }}",
        row.field("code")?,
        form(row, ["name", "name_sv", "kind", "priority"])?,
        row.word("Category", "category")?,
        row.word("AddressKind", "address")?,
    ))
}

/// Where a code has no form of its own for qualifier 3, the new one stands for both.
fn cid_row(row: &Row) -> Result<String, String> {
    let new = ["name", "name_sv", "kind", "priority"];
    let restore = [
        "name_restore",
        "name_sv_restore",
        "kind_restore",
        "priority_restore",
    ];
    let second = if row.field("name_restore")?.is_empty() {
        new
    } else {
        restore
    };
    Ok(format!(
        "CidCode {{ code: {:?}, new: {}, restore: {}, still: {}, category: {}, address: {} }}",
        row.field("code")?,
        form(row, new)?,
        form(row, second)?,
        still(row)?,
        row.word("Category", "category")?,
        row.word("AddressKind", "address")?,
    ))
}

fn form(row: &Row, [name, name_sv, kind, priority]: [&str; 4]) -> Result<String, String> {
    Ok(format!(
        "Form {{ name: {:?}, name_sv: {:?}, kind: {}, priority: {} }}",
        row.field(name)?,
        row.field(name_sv)?,
        row.word("Kind", kind)?,
        row.priority(priority)?,
    ))
}

/// The form for a condition that was reported before and is still there (qualifier 6).
fn still(row: &Row) -> Result<String, String> {
    let (name, name_sv) = (row.field("name")?, row.field("name_sv")?);
    let kind = row.field("kind")?;
    let lasts = matches!(kind, "alarm" | "trouble" | "bypass" | "unknown");
    let (behind, behind_sv) = if lasts {
        (", still present", ", kvarstår")
    } else {
        ("", "")
    };
    let kind = match kind {
        // Nobody has just armed or disarmed: it is a report of the state.
        "open" | "close" => "Kind::Status".to_owned(),
        _ => row.word("Kind", "kind")?,
    };
    Ok(format!(
        "Form {{ name: \"{name}{behind}\", name_sv: \"{name_sv}{behind_sv}\", kind: {kind}, priority: {} }}",
        row.priority("priority")?,
    ))
}

/// One line of a table, by the names in its heading.
struct Row<'t> {
    heading: &'t [String],
    fields: Vec<String>,
}

impl Row<'_> {
    fn field(&self, name: &str) -> Result<&str, String> {
        if self.fields.len() != self.heading.len() {
            let (found, expected) = (self.fields.len(), self.heading.len());
            return Err(format!("{found} fields, the heading has {expected}"));
        }
        let column = self.heading.iter().position(|word| word == name);
        let field = column.and_then(|column| self.fields.get(column));
        field
            .map(String::as_str)
            .ok_or(format!("no column `{name}`"))
    }

    /// `hold_up` of column `category` as `Category::HoldUp`; the compiler knows the valid words.
    fn word(&self, enumeration: &str, column: &str) -> Result<String, String> {
        let word = self.field(column)?;
        let mut variant = String::new();
        for part in word.split('_') {
            let mut letters = part.chars();
            variant.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            variant.push_str(letters.as_str());
        }
        if variant.is_empty() {
            return Err(format!("column `{column}` is empty"));
        }
        Ok(format!("{enumeration}::{variant}"))
    }

    fn priority(&self, column: &str) -> Result<&'static str, String> {
        match self.field(column)? {
            "1" => Ok("Priority::LIFE"),
            "2" => Ok("Priority::PROPERTY"),
            "3" => Ok("Priority::FAULT"),
            "4" => Ok("Priority::NOTICE"),
            "5" => Ok("Priority::LOG"),
            other => Err(format!("column `{column}`: `{other}` is not 1 to 5")),
        }
    }
}

/// The fields of one line; a field in double quotes may hold commas, and `""` for a quote.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => push(&mut fields, '"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => push(&mut fields, letter),
        }
    }
    fields
}

fn push(fields: &mut [String], letter: char) {
    if let Some(last) = fields.last_mut() {
        last.push(letter);
    }
}
