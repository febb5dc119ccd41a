//! Text for a line of 7-bit characters that may not hold what ends or parts a record.
//!
//! ```text
//! "[" -> "("    "]" -> ")"    "|" -> "!"    control characters -> " "
//! letters with marks -> the letter without    everything else above 0x7E -> "?"
//! ```

/// The text as a line can hold it, and whether a character was replaced.
#[must_use]
pub fn clean(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut replaced = false;
    for found in text.chars() {
        let written = replacement(found);
        replaced |= written != found;
        out.push(written);
    }
    (out, replaced)
}

fn replacement(found: char) -> char {
    match found {
        '[' => '(',
        ']' => ')',
        '|' => '!',
        ' '..='~' => found,
        'À'..='Å' | 'Æ' => 'A',
        'à'..='å' | 'æ' => 'a',
        'Ç' => 'C',
        'ç' => 'c',
        'È'..='Ë' => 'E',
        'è'..='ë' => 'e',
        'Ì'..='Ï' => 'I',
        'ì'..='ï' => 'i',
        'Ñ' => 'N',
        'ñ' => 'n',
        'Ò'..='Ö' | 'Ø' => 'O',
        'ò'..='ö' | 'ø' => 'o',
        'Ù'..='Ü' => 'U',
        'ù'..='ü' => 'u',
        'Ý' => 'Y',
        'ý' | 'ÿ' => 'y',
        'ß' => 's',
        _ if found.is_control() => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_ends_a_record() {
        for (text, line) in [
            ("Kitchen door", "Kitchen door"),
            ("Kök [1|2]\u{14}\r\n", "Kok (1!2)   "),
            ("ÅÄÖåäöéüßñ", "AAOaaoeusn"),
            ("температура 20°", "??????????? 20?"),
        ] {
            assert_eq!(clean(text), (line.to_owned(), text != line));
        }
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        let (line, _) = clean(&every);
        let wrong = |found: char| !matches!(found, ' '..='~') || "[]|".contains(found);
        assert!(!line.contains(wrong));
        assert_eq!(line.len(), every.chars().count());
    }
}
