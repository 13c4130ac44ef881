//! Replies of a general model: one that comes in pieces, which may be cut anywhere, and one that does not.
//!
//!     cargo install cargo-fuzz
//!     cargo +nightly fuzz run reply
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::remote::protocols::{PROTOCOLS, Reply};

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how long the pieces are.
    let Some((size, stream)) = bytes.split_first() else { return };
    for (_, protocol) in PROTOCOLS {
        let mut whole = protocol.stream();
        let words = whole.feed(stream);
        let mut cut = protocol.stream();
        let pieces: String = stream.chunks(usize::from(*size) + 1).map(|piece| cut.feed(piece)).collect();
        assert_eq!((words, whole.finish()), (pieces, cut.finish()));
        let text = String::from_utf8_lossy(stream);
        let _ = protocol.read(Reply::Http { status: 200, content_type: None, body: &text });
        let _ = protocol.read(Reply::Text(&text));
    }
});
