//! Text from transmitters: character sets, and a form that is safe to show and to log.
//!
//! ```
//! use larm_wire::text::{self, Charset};
//!
//! let sent = text::decode(b"K\xF6k\x1b[2J", Charset::Windows1252);
//! assert_eq!(text::printable(&sent), "Kök\\x1b[2J");
//! ```
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

/// The code page of bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Charset {
    /// Western Europe; what DC-09 names for its texts.
    #[default]
    Windows1252,
    /// Cyrillic.
    Windows1251,
}

/// Windows-1252, 0x80 to 0x9F; above, it is Latin-1. Bytes without a meaning stay C1 controls.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Windows-1251, 0x80 to 0xBF; above, it is U+0410 to U+044F in order.
const WINDOWS_1251: [char; 64] = [
    'Ђ', 'Ѓ', '‚', 'ѓ', '„', '…', '†', '‡', '€', '‰', 'Љ', '‹', 'Њ', 'Ќ', 'Ћ', 'Џ', //
    'ђ', '‘', '’', '“', '”', '•', '–', '—', '\u{98}', '™', 'љ', '›', 'њ', 'ќ', 'ћ', 'џ', //
    '\u{A0}', 'Ў', 'ў', 'Ј', '¤', 'Ґ', '¦', '§', 'Ё', '©', 'Є', '«', '¬', '\u{AD}', '®',
    'Ї', //
    '°', '±', 'І', 'і', 'ґ', 'µ', '¶', '·', 'ё', '№', 'є', '»', 'ј', 'Ѕ', 'ѕ', 'ї',
];

/// Reads bytes as UTF-8 where they are valid UTF-8, else as the code page. Never fails.
///
/// Nothing is escaped; pass the result through [`printable`] before it is stored or shown.
#[must_use]
pub fn decode(bytes: &[u8], fallback: Charset) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(
            bytes
                .iter()
                .map(|byte| character(*byte, fallback))
                .collect(),
        ),
    }
}

fn character(byte: u8, charset: Charset) -> char {
    let at = |table: &[char], first: u8| table.get(usize::from(byte.wrapping_sub(first))).copied();
    match charset {
        Charset::Windows1252 if byte >= 0x80 => at(&WINDOWS_1252, 0x80),
        Charset::Windows1251 if byte >= 0xC0 => {
            char::from_u32(u32::from(byte) - 0xC0 + u32::from('А'))
        }
        Charset::Windows1251 if byte >= 0x80 => at(&WINDOWS_1251, 0x80),
        Charset::Windows1252 | Charset::Windows1251 => None,
    }
    .unwrap_or(char::from(byte))
}

/// The text with everything escaped that could change how the text around it is read.
///
/// `\n \r \t \\`; other control characters below 0x80 as `\xNN`; C1 controls, line and paragraph
/// separators, bidirectional overrides, zero-width and other invisible characters as `\u{...}`.
/// Different texts stay different. Clean text is borrowed.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    // Nearly all text is this plain; looked at many bytes at a time.
    let plain = |byte: u8| matches!(byte, b' '..=b'[' | b']'..=b'~');
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(needs_escape) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(clean);
    for found in rest.chars() {
        if needs_escape(found) {
            escape(found, &mut out);
        } else {
            out.push(found);
        }
    }
    Cow::Owned(out)
}

/// Bytes of no known character set for people: printable ASCII as it is, `\n \r \t \\`, and
/// `\xNN` (lower-case digits) for every other byte.
#[must_use]
pub fn printable_bytes(bytes: &[u8]) -> Cow<'_, str> {
    let clean = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    match core::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(clean) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if clean(byte) {
            out.push(char::from(*byte));
        } else if byte.is_ascii() {
            escape(char::from(*byte), &mut out);
        } else {
            hex_escape(u32::from(*byte), &mut out);
        }
    }
    Cow::Owned(out)
}

fn escape(found: char, out: &mut String) {
    match found {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        _ if found.is_ascii() => hex_escape(u32::from(found), out),
        _ => out.extend(found.escape_unicode()),
    }
}

fn hex_escape(byte: u32, out: &mut String) {
    write!(out, "\\x{byte:02x}").expect("writing to a String cannot fail");
}

/// Controls, and what is invisible or turns the reading direction.
fn needs_escape(found: char) -> bool {
    match found {
        ' '..='[' | ']'..='~' => false,
        '\\' | '\0'..='\x1F' | '\x7F'..='\u{9F}' => true,
        _ => matches!(
            found,
            '\u{AD}'                            // soft hyphen
            | '\u{34F}'                         // combining grapheme joiner
            | '\u{61C}'                         // Arabic letter mark
            | '\u{115F}' | '\u{1160}'           // Hangul fillers
            | '\u{17B4}' | '\u{17B5}'           // Khmer inherent vowels
            | '\u{180B}'..='\u{180F}'           // Mongolian selectors and vowel separator
            | '\u{200B}'..='\u{200F}'           // zero-width characters, direction marks
            | '\u{2028}'..='\u{202E}'           // line separators, bidirectional overrides
            | '\u{2060}'..='\u{206F}'           // word joiner, bidirectional isolates
            | '\u{3164}' | '\u{FFA0}'           // Hangul fillers
            | '\u{FEFF}'                        // byte order mark
            | '\u{FFF9}'..='\u{FFFB}'           // interlinear annotations
            | '\u{E0000}'..='\u{E0FFF}' // tags and variation selectors
        ),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn utf_8_first_then_the_code_page() {
        assert_eq!(decode("Улица".as_bytes(), Charset::Windows1252), "Улица");
        assert_eq!(decode(b"K\xF6k \x80", Charset::Windows1252), "Kök €");
        assert_eq!(
            decode(b"\xD3\xEB\xE8\xF6\xE0 \xB9", Charset::Windows1251),
            "Улица №"
        );
        assert_eq!(decode(b"\xA8\xB8\xFF", Charset::Windows1251), "Ёёя");
        assert!(matches!(
            decode(b"BA", Charset::Windows1252),
            Cow::Borrowed("BA")
        ));
    }

    #[test]
    fn every_byte_has_a_character_in_both_pages() {
        for byte in 0x80..=u8::MAX {
            for charset in [Charset::Windows1252, Charset::Windows1251] {
                // A lone high byte is never UTF-8.
                assert_eq!(decode(&[byte], charset).chars().count(), 1);
            }
            if byte >= 0xA0 {
                assert_eq!(character(byte, Charset::Windows1252), char::from(byte));
            }
        }
    }

    #[test]
    fn what_could_mislead_a_reader_is_escaped() {
        assert_eq!(
            printable("a\n\r\t\\\0\x1b[2J\x7f"),
            "a\\n\\r\\t\\\\\\x00\\x1b[2J\\x7f"
        );
        assert_eq!(
            printable("a\u{85}\u{202E}b\u{200B}"),
            "a\\u{85}\\u{202e}b\\u{200b}"
        );
        assert_eq!(
            printable("\u{2028}\u{2066}\u{FEFF}"),
            "\\u{2028}\\u{2066}\\u{feff}"
        );
    }

    #[test]
    fn clean_text_is_borrowed() {
        for clean in ["", "Zone 1 [hall]", "Överfallslarm", "Улица", "火災", "🔥"] {
            assert!(matches!(printable(clean), Cow::Borrowed(same) if same == clean));
        }
        assert!(matches!(printable_bytes(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn bytes_as_in_a_dump() {
        assert_eq!(
            printable_bytes(b"\nF1\xff\x00\\\r"),
            "\\nF1\\xff\\x00\\\\\\r"
        );
        assert_eq!(printable_bytes("ö".as_bytes()), "\\xc3\\xb6");
    }

    proptest! {
        #[test]
        fn nothing_that_needs_escaping_is_left(text: String) {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(|c| c != '\\' && needs_escape(c)));
            prop_assert_eq!(matches!(shown, Cow::Borrowed(_)), !text.chars().any(needs_escape));
        }

        #[test]
        fn different_texts_stay_different(a in "[\\\\nx0\n\0u{}\u{85}]{0,6}", b in "[\\\\nx0\n\0u{}\u{85}]{0,6}") {
            prop_assert_eq!(printable(&a) == printable(&b), a == b);
        }

        #[test]
        fn bytes_never_fail(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let shown = printable_bytes(&bytes);
            prop_assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            for charset in [Charset::Windows1252, Charset::Windows1251] {
                let text = decode(&bytes, charset);
                let is_utf_8 = core::str::from_utf8(&bytes).is_ok();
                prop_assert_eq!(matches!(text, Cow::Borrowed(_)), is_utf_8);
                prop_assert!(is_utf_8 || text.chars().count() == bytes.len());
            }
        }

        #[test]
        fn dumps_of_different_bytes_differ(
            a in prop::collection::vec(prop::sample::select(Vec::from(*b"\\nx0\n\xff")), 0..6),
            b in prop::collection::vec(prop::sample::select(Vec::from(*b"\\nx0\n\xff")), 0..6),
        ) {
            prop_assert_eq!(printable_bytes(&a) == printable_bytes(&b), a == b);
        }
    }
}
