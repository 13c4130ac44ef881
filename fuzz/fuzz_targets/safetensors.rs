//! safetensors: a file in pieces, which may be cut anywhere, gives the tensors of the whole, or an error as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::formats::safetensors::Reader;

fuzz_target!(|bytes: &[u8]| {
    // The first byte is the length of the pieces.
    let Some((size, file)) = bytes.split_first() else { return };
    let size = usize::from(*size) + 1;
    assert_eq!(read(file.chunks(file.len().max(1))), read(file.chunks(size)));
});

/// The names of the tensors, and whether the file was right.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let (mut reader, mut names) = (Reader::default(), Vec::new());
    for piece in pieces {
        if reader.feed(piece, &mut |name, _| names.push(name)).is_err() {
            return (names, false);
        }
    }
    let whole = reader.finish().is_ok();
    (names, whole)
}
