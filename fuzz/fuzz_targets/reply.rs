//! Replies of a general model: one that comes in pieces, which may be cut anywhere, and one that does not.
//!
//!     cargo install cargo-fuzz
//!     cargo +nightly fuzz run reply
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::remote::read_completion;
use pilot_light::remote::stream::StreamReader;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how long the pieces are.
    let Some((size, stream)) = bytes.split_first() else { return };
    let mut whole = StreamReader::default();
    let words = whole.feed(stream);
    let mut cut = StreamReader::default();
    let pieces: String = stream.chunks(usize::from(*size) + 1).map(|piece| cut.feed(piece)).collect();
    assert_eq!((words, whole.finish()), (pieces, cut.finish()));
    let _ = read_completion(200, None, &String::from_utf8_lossy(stream));
});
