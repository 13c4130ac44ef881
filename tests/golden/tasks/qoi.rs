//! Reads the golden pictures: the Quite OK Image format, as <https://qoiformat.org> specifies it.

/// A picture's RGBA, width and height.
pub fn decode(bytes: &[u8]) -> (Vec<u8>, usize, usize) {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!(&bytes[..4], b"qoif");
    let (width, height) = (number(4), number(8));
    let mut rgba = Vec::with_capacity(width * height * 4);
    let mut seen = [[0u8; 4]; 64];
    let mut pixel = [0, 0, 0, 255];
    let mut rest = &bytes[14..];
    while rgba.len() < width * height * 4 {
        let tag = rest[0];
        let (length, run) = match (tag >> 6, tag & 63) {
            (3, 62) => {
                pixel[..3].copy_from_slice(&rest[1..4]);
                (4, 1)
            }
            (3, 63) => {
                pixel.copy_from_slice(&rest[1..5]);
                (5, 1)
            }
            (3, run) => (1, usize::from(run) + 1),
            (2, green) => {
                let green = green.wrapping_sub(32);
                let steps = [(rest[1] >> 4).wrapping_sub(8), 0, (rest[1] & 15).wrapping_sub(8)];
                for (value, step) in pixel.iter_mut().zip(steps) {
                    *value = value.wrapping_add(green).wrapping_add(step);
                }
                (2, 1)
            }
            (1, steps) => {
                for (value, shift) in pixel.iter_mut().zip([4, 2, 0]) {
                    *value = value.wrapping_add((steps >> shift) & 3).wrapping_sub(2);
                }
                (1, 1)
            }
            (_, index) => {
                pixel = seen[usize::from(index)];
                (1, 1)
            }
        };
        let [r, g, b, a] = pixel.map(usize::from);
        seen[(r * 3 + g * 5 + b * 7 + a * 11) % 64] = pixel;
        (0..run).for_each(|_| rgba.extend(pixel));
        rest = &rest[length..];
    }
    (rgba, width, height)
}
