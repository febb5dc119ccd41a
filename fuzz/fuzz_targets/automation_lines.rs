//! Lines for automation software: what is read is what would be written, byte by byte, and any
//! split of a stream gives the same records and receipts.
#![no_main]
use larm_fuzz::frame::{Marks, Records};
use larm_fuzz::receipt::{ReceiptForm, Receipts};
use larm_fuzz::{ademco685, surgard};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let cut = stream
        .first()
        .map_or(0, |byte| usize::from(*byte))
        .min(stream.len());
    let (left, right) = stream.split_at(cut);
    for marks in [Marks::DC4, Marks::CR_LF, Marks::LF_CR] {
        let whole = Records::new(marks).push(stream);
        let mut split = Records::new(marks);
        let mut parts = split.push(left);
        parts.extend(split.push(right));
        assert_eq!(whole, parts);
        for record in whole {
            read_and_written(&record);
        }
    }
    for form in [ReceiptForm::Byte, ReceiptForm::Text] {
        let mut split = Receipts::new(form);
        let mut parts = split.push(left);
        parts.extend(split.push(right));
        assert_eq!(Receipts::new(form).push(stream), parts);
    }
    read_and_written(stream);
});

fn read_and_written(line: &[u8]) {
    for line_len in [1, 3] {
        if let Ok(record) = surgard::parse::parse(line, line_len) {
            assert_eq!(record.to_string().as_bytes(), line);
        }
    }
    if let Ok(record) = ademco685::parse::parse(line) {
        assert_eq!(record.to_string().as_bytes(), line);
    }
}
