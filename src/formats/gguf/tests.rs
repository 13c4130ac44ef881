//! Tests of what is refused. `tests/native` compares numbers with the format's own library.

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A file with a few values and one tensor.
fn file(shape: &[u64], encoding: u32, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut file = [MAGIC, &3u32.to_le_bytes(), &1u64.to_le_bytes(), &3u64.to_le_bytes()].concat();
    file.extend([string("general.name"), STRING.to_le_bytes().to_vec(), string("some")].concat());
    file.extend([string(ALIGNMENT_KEY), UINT32.to_le_bytes().to_vec(), 64u32.to_le_bytes().to_vec()].concat());
    file.extend([string("list"), ARRAY.to_le_bytes().to_vec(), STRING.to_le_bytes().to_vec()].concat());
    file.extend([2u64.to_le_bytes().to_vec(), string("a"), string("")].concat());
    file.extend([string("w"), (shape.len() as u32).to_le_bytes().to_vec()].concat());
    shape.iter().rev().for_each(|size| file.extend(size.to_le_bytes()));
    file.extend(encoding.to_le_bytes());
    file.extend(offset.to_le_bytes());
    file.resize(file.len().next_multiple_of(64) + offset as usize, 0xee);
    file.extend(data);
    file
}

#[test]
fn a_tensor_is_found() {
    let data: Vec<u8> = (0..2 * 34).collect();
    let file = file(&[2, 32], 8, 64, &data);
    let tensors = read(&file).unwrap().tensors;
    let [tensor] = &tensors[..] else { panic!("{tensors:?}") };
    assert_eq!((tensor.name, &tensor.shape[..], tensor.encoding), ("w", &[2, 32][..], Encoding::Q8_0));
    assert_eq!(tensor.bytes, data);
    let mut numbers = [0; 40];
    let scale = f16::from_le_bytes([34, 35]).to_f32();
    assert_eq!(tensor.sub_block(1, &mut numbers), Some((scale, 0.0)));
    assert_eq!((numbers[0], numbers[31], numbers[32]), (36, 67, 0));
    assert_eq!([tensor.sub_block(2, &mut numbers), tensor.sub_block(0, &mut numbers[..31])], [None; 2]);
    let mut row = [0.0; 32];
    tensor.row_floats(1, &mut row).unwrap();
    assert_eq!(row[31], 67.0 * scale);
    assert_eq!(tensor.floats().unwrap()[32..], row);
    assert_eq!(tensor.row_floats(2, &mut row).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(tensor.row_floats(0, &mut row[1..]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// A file of matrices of ones, of these encodings and numbers of rows of 32, which says this type.
fn typed(said: Option<u32>, matrices: &[(u32, u64)]) -> Vec<u8> {
    let counts = [matrices.len() as u64, u64::from(said.is_some())].map(u64::to_le_bytes).concat();
    let mut file = [MAGIC, &3u32.to_le_bytes(), &counts].concat();
    if let Some(said) = said {
        file.extend([string("general.file_type"), UINT32.to_le_bytes().to_vec(), said.to_le_bytes().to_vec()].concat());
    }
    let mut offset = 0u64;
    for (at, (encoding, rows)) in matrices.iter().enumerate() {
        file.extend([string(&at.to_string()), 2u32.to_le_bytes().to_vec()].concat());
        file.extend([32, *rows].map(u64::to_le_bytes).concat());
        file.extend([&encoding.to_le_bytes()[..], &offset.to_le_bytes()].concat());
        let (elements, bytes) = Encoding::from_number(*encoding).block();
        offset += (rows * 32 * bytes as u64 / elements as u64).next_multiple_of(32);
    }
    file.resize(file.len().next_multiple_of(32) + offset as usize, 1);
    file
}

#[test]
fn a_file_says_its_type_or_has_that_of_most_elements() {
    for (said, matrices, name) in [
        (Some(15), &[(8, 9), (0, 1)][..], "q4_k_m"),
        (Some(3), &[(3, 1)], "q4_1"),
        (Some(32), &[(30, 1)], "bf16"),
        // A number that is not known.
        (Some(1 << 20), &[(8, 1)], "q8_0"),
        (None, &[(0, 1), (6, 3), (8, 2)], "q5_0"),
        (None, &[(1, 2), (0, 1)], "fp16"),
        (None, &[(0, 2), (1, 1)], "fp32"),
        (None, &[], "fp32"),
    ] {
        assert_eq!(header(&typed(said, matrices)).unwrap().file_type(), name, "{said:?} {matrices:?}");
    }
}

#[test]
fn a_file_truncated_anywhere_is_refused() {
    let file = file(&[2, 32], 2, 0, &[7; 2 * 18]);
    assert!(read(&file).is_ok());
    for length in 0..file.len() {
        assert_eq!(read(&file[..length]).unwrap_err().kind(), ErrorKind::InvalidArtefact, "{length}");
    }
}

/// A file with each type of value and an array of each.
fn values() -> Vec<u8> {
    let numbers: [(u32, &[u8]); 11] = [
        (0, &[200]),
        (1, &[0xfe]),
        (2, &[1, 2]),
        (3, &[0xff, 0xff]),
        (UINT32, &[4, 0, 0, 0]),
        (5, &[0xff; 4]),
        (6, &[0, 0, 0, 0x3f]),
        (7, &[1]),
        (10, &[0xff; 8]),
        (11, &[7, 0, 0, 0, 0, 0, 0, 0]),
        (12, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f]),
    ];
    let mut file = [MAGIC, &2u32.to_le_bytes(), &0u64.to_le_bytes(), &26u64.to_le_bytes()].concat();
    for (of, bytes) in numbers {
        file.extend([&string(&format!("one.{of}")), &of.to_le_bytes()[..], bytes].concat());
        let array = [&ARRAY.to_le_bytes()[..], &of.to_le_bytes(), &2u64.to_le_bytes(), bytes, bytes].concat();
        file.extend([string(&format!("two.{of}")), array].concat());
    }
    file.extend([string("one.8"), STRING.to_le_bytes().to_vec(), string("text")].concat());
    file.extend([string("raw"), STRING.to_le_bytes().to_vec(), vec![1, 0, 0, 0, 0, 0, 0, 0, 0xff]].concat());
    file.extend([string("two.8"), ARRAY.to_le_bytes().to_vec(), STRING.to_le_bytes().to_vec()].concat());
    file.extend([2u64.to_le_bytes().to_vec(), string("é"), string("")].concat());
    file.extend([string("nested"), ARRAY.to_le_bytes().to_vec(), ARRAY.to_le_bytes().to_vec()].concat());
    file.extend(
        [1u64.to_le_bytes().to_vec(), 0u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec(), vec![5]].concat(),
    );
    file
}

#[test]
fn values_are_read_by_type() {
    let file = values();
    let metadata = read(&file).unwrap().metadata;
    let integers = [0, 2, UINT32, 11].map(|of| metadata.get_u32(&format!("one.{of}")).unwrap());
    assert_eq!(integers, [Some(200), Some(513), Some(4), Some(7)]);
    assert_eq!([6, 12].map(|of| metadata.get_f32(&format!("one.{of}")).unwrap()), [Some(0.5), Some(1.5)]);
    assert_eq!(metadata.get_bool("one.7").unwrap(), Some(true));
    assert_eq!(metadata.get_str("one.8").unwrap(), Some("text"));
    assert_eq!(metadata.get_strings("two.8").unwrap(), Some(vec!["é", ""]));
    assert_eq!(metadata.get_floats("two.6").unwrap(), Some(vec![0.5; 2]));
    assert_eq!(metadata.get_floats("two.12").unwrap(), Some(vec![1.5; 2]));
    let all = [0, 1, 2, 3, UINT32, 5, 11].map(|of| metadata.get_integers(&format!("two.{of}")).unwrap().unwrap());
    assert_eq!(all, [200, -2, 513, -1, 4, -1, 7].map(|number| vec![number; 2]));

    assert_eq!(metadata.get_u32("none").unwrap(), None);
    assert_eq!(metadata.get_strings("none").unwrap(), None);
    assert!(Metadata::missing("none").to_string().contains("none"));
}

#[test]
fn values_of_other_types_are_refused_by_name() {
    let file = values();
    let metadata = read(&file).unwrap().metadata;
    for (error, said) in [
        (metadata.get_u32("one.5").map(drop), "one.5: expected an integer from 0 to 4294967295, got -1"),
        (metadata.get_u32("one.10").map(drop), "got 18446744073709551615"),
        (metadata.get_u32("one.6").map(drop), "one.6: expected an integer, got a value of the type F32"),
        (metadata.get_f32("one.4").map(drop), "one.4: expected a float, got a value of the type U32"),
        (metadata.get_bool("one.0").map(drop), "one.0: expected a bool, got a value of the type U8"),
        (metadata.get_str("two.8").map(drop), "two.8: expected a string in UTF-8, got an array of 2 elements"),
        (metadata.get_str("raw").map(drop), "raw: expected a string in UTF-8, got a string in another encoding"),
        (metadata.get_strings("nested").map(drop), "nested: expected an array of strings"),
        (metadata.get_floats("two.8").map(drop), "got an array of 2 elements of the type String"),
        (metadata.get_integers("one.8").map(drop), "one.8: expected an array of integers, got a string"),
        (metadata.get_integers("two.10").map(drop), "two.10: expected an array of integers"),
        (metadata.get_integers("two.7").map(drop), "of the type Bool"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// Reads all that a file seems to have, which must not panic. Tensors must not have more bytes than the file.
fn read_all(bytes: &[u8]) {
    let portions = in_portions(bytes, 41).map(|(_, tensors)| tensors.len());
    let Ok(File { metadata, tensors }) = read(bytes) else {
        assert!(portions.is_err());
        return;
    };
    assert_eq!(portions.unwrap(), tensors.len());
    for key in ["general.name", ALIGNMENT_KEY, "list", "two.6", "two.8", "two.5", "nested"] {
        let _ = (metadata.get_u32(key), metadata.get_f32(key), metadata.get_bool(key), metadata.get_str(key));
        let strings = metadata.get_strings(key).unwrap_or_default().map_or(0, |strings| strings.len());
        let floats = metadata.get_floats(key).unwrap_or_default().map_or(0, |floats| floats.len());
        let integers = metadata.get_integers(key).unwrap_or_default().map_or(0, |integers| integers.len());
        assert!(strings * 8 + floats * 4 + integers <= bytes.len());
    }
    assert!(tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>() <= bytes.len());
    for tensor in tensors {
        let mut numbers = [0; 32];
        let _ = (tensor.sub_block(0, &mut numbers), tensor.sub_block(1, &mut numbers));
        assert_eq!(tensor.sub_block(usize::MAX, &mut numbers), None);
        let _ = tensor.row_floats(1, &mut vec![0.0; tensor.shape.last().map_or(1, |last| *last.min(&512))]);
        let floats = tensor.floats().map_or(0, |floats| floats.len());
        assert!(floats <= bytes.len() * 2);
    }
}

#[test]
fn a_file_with_a_byte_changed_is_read_or_refused() {
    for whole in [file(&[2, 32], 3, 0, &[7; 2 * 20]), values()] {
        for at in 0..whole.len() {
            for byte in [0, 1, 9, 0x7f, 0x80, 0xff] {
                let mut file = whole.clone();
                file[at] = byte;
                read_all(&file);
            }
        }
    }
}

proptest! {
    #[test]
    fn changed_files_are_read_or_refused(
        (encoding, rows) in (0u32..42, 0u64..3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        for mut file in [file(&[rows, 256], encoding, 0, &[0x35; 3000]), values()] {
            for (at, byte) in &changes {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            file.truncate(if cuts { cut.index(file.len()) } else { file.len() });
            read_all(&file);
        }
    }
}

#[test]
fn an_unknown_encoding_is_reported() {
    let file = file(&[2, 256], 10, 0, &[0; 420]);
    let tensors = read(&file).unwrap().tensors;
    assert_eq!((tensors[0].encoding, tensors[0].bytes), (Encoding::Other(10), &[][..]));
    assert_eq!(tensors[0].sub_block(0, &mut [0; 32]), None);
    let error = tensors[0].floats().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "the tensor w is in Q2_K, which is not supported");
    assert_eq!(tensors[0].row_floats(0, &mut [0.0; 256]).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(Encoding::Other(999).to_string(), "ggml's type 999");
}

#[test]
fn inconsistent_files_are_refused() {
    let kind = |file: Vec<u8>| read(&file).unwrap_err().kind();
    assert_eq!(kind(file(&[2, 33], 2, 0, &[0; 99])), ErrorKind::InvalidArtefact);
    assert_eq!(kind(file(&[u64::MAX, 32], 2, 0, &[])), ErrorKind::InvalidArtefact);
    assert_eq!(kind(file(&[1 << 40, 1 << 40], 2, 0, &[])), ErrorKind::InvalidArtefact);
    assert_eq!(kind(file(&[], 2, 0, &[0; 18])), ErrorKind::InvalidArtefact);
    assert_eq!(kind(file(&[2, 32], 2, 32, &[0; 36])), ErrorKind::InvalidArtefact);
    let with_version = |version: u32| {
        let mut file = file(&[1], 0, 0, &[0; 4]);
        file[4..8].copy_from_slice(&version.to_le_bytes());
        read(&file).map(drop)
    };
    assert!(with_version(2).is_ok());
    for (version, said) in [(1, "version 1 is"), (4, "version 4 is"), (3 << 24, "version 3 in big-endian order is")] {
        let error = with_version(version).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(said), "{error}");
    }
    // A key that is there twice, and tensors that share bytes.
    let name = string("general.name");
    let pair = [name, vec![7, 0, 0, 0, 1]].concat();
    let twice = [MAGIC, &3u32.to_le_bytes(), &0u64.to_le_bytes(), &2u64.to_le_bytes(), &pair, &pair].concat();
    assert_eq!(kind(twice), ErrorKind::InvalidArtefact);
    let tensor = |name: &str| {
        let size = 2000u64.to_le_bytes();
        [&string(name)[..], &1u32.to_le_bytes(), &size, &0u32.to_le_bytes(), &0u64.to_le_bytes()].concat()
    };
    let counts = [MAGIC, &3u32.to_le_bytes(), &2u64.to_le_bytes(), &0u64.to_le_bytes()].concat();
    let shared = [counts, tensor("a"), tensor("b"), vec![0; 8100]].concat();
    assert!(read(&shared).unwrap_err().to_string().contains("overlap"));
    // An array of arrays of arrays, and so on.
    let mut deep = [MAGIC, &3u32.to_le_bytes(), &0u64.to_le_bytes(), &1u64.to_le_bytes(), &string("k")].concat();
    deep.extend(ARRAY.to_le_bytes());
    (0..100_000).for_each(|_| deep.extend([&ARRAY.to_le_bytes()[..], &1u64.to_le_bytes()].concat()));
    assert_eq!(kind(deep), ErrorKind::InvalidArtefact);
}

/// A part of a file, with the tensors of these names.
fn part(number: u32, count: u32, tensors: u32, names: &[&str]) -> Vec<u8> {
    let counts = [names.len() as u64, 3].map(u64::to_le_bytes).concat();
    let mut file = [MAGIC, &3u32.to_le_bytes(), &counts].concat();
    for (key, of, value) in [("split.no", 2, number), ("split.count", 2, count), ("split.tensors.count", 5, tensors)] {
        let bytes = value.to_le_bytes();
        file.extend([&string(key)[..], &u32::to_le_bytes(of), &bytes[..if of == 2 { 2 } else { 4 }]].concat());
    }
    for (at, name) in names.iter().enumerate() {
        let (size, offset) = (8u64.to_le_bytes(), (32 * at as u64).to_le_bytes());
        file.extend([&string(name)[..], &1u32.to_le_bytes(), &size, &0u32.to_le_bytes(), &offset].concat());
    }
    file.resize(file.len().next_multiple_of(32) + 32 * names.len(), number as u8);
    file
}

#[test]
fn parts_are_joined() {
    let files = [part(1, 3, 4, &["c"]), part(0, 3, 4, &["a", "b"]), part(2, 3, 4, &["d"])];
    let parts = || files.iter().map(|file| header(file).unwrap()).collect::<Vec<_>>();
    assert_eq!(part_count(&parts()[0].metadata).unwrap(), 3);
    let whole = join(parts()).unwrap();
    let names: Vec<_> = whole.tensors.iter().map(|tensor| tensor.name).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(whole.metadata.get_u32("split.no").unwrap(), Some(0));

    let single = file(&[1], 0, 0, &[0; 4]);
    assert_eq!(join(vec![header(&single).unwrap()]).unwrap().tensors.len(), 1);
    let merged = part(0, 0, 1, &["a"]);
    assert_eq!(join(vec![header(&merged).unwrap()]).unwrap().tensors.len(), 1);
}

type Named = Vec<(String, Vec<u8>)>;

/// The header, and the names and bytes of the tensors of a file that arrives in portions of `size` bytes.
fn in_portions(file: &[u8], size: usize) -> Result<(Vec<u8>, Named)> {
    let (mut reader, mut found) = (Reader::default(), Named::new());
    let mut take = |tensor: Tensor<'_>| {
        found.push((tensor.name.to_string(), tensor.bytes.to_vec()));
        Ok(())
    };
    for portion in file.chunks(size) {
        reader.feed(portion, &mut take)?;
    }
    Ok((reader.finish(&mut take)?, found))
}

#[test]
fn a_file_in_portions_is_the_file() {
    let padded = [&part(0, 1, 3, &["a", "b", "c"])[..], &[1; 99]].concat();
    for file in [file(&[2, 32], 8, 64, &[7; 2 * 34]), padded, values()] {
        let File { tensors, .. } = read(&file).unwrap();
        let wanted: Vec<_> = tensors.iter().map(|tensor| (tensor.name.to_string(), tensor.bytes.to_vec())).collect();
        for size in [1, 2, 7, 31, 32, 33, 64, 100, 250, 1000, file.len()] {
            let (head, found) = in_portions(&file, size).unwrap();
            assert_eq!(found, wanted, "{size}");
            assert!(file.starts_with(&head) && header(&head).unwrap().tensors.len() == wanted.len(), "{size}");
        }
        let end = wanted.last().map_or(0, |_| file.len() - if file.ends_with(&[1; 99]) { 99 + 1 } else { 1 });
        if end > 0 {
            assert_eq!(in_portions(&file[..end], 50).unwrap_err().kind(), ErrorKind::InvalidArtefact);
        }
    }
    // The first bytes are enough to refuse another file.
    assert!(Reader::default().feed(b"ONNX....", &mut |_| Ok(())).is_err());
    // An error of the caller's ends it.
    let file = file(&[2, 32], 8, 64, &[7; 2 * 34]);
    let error = Reader::default().feed(&file, &mut |_| Err(Error::invalid_input("no"))).unwrap_err();
    assert_eq!(error.to_string(), "no");
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let (first, second) = (|| part(0, 2, 2, &["a"]), || part(1, 2, 2, &["b"]));
    let single = file(&[1], 0, 0, &[0; 4]);
    for (files, said) in [
        (vec![], "got none"),
        (vec![first()], "expected 2 parts, got 1"),
        (vec![second()], "part 0 of 2 is missing"),
        (vec![first(), second(), second()], "part 1 of 2 is there twice"),
        (vec![first(), first()], "part 0 of 2 is there twice"),
        (vec![first(), part(2, 2, 2, &["b"])], "part 1 of 2 is missing"),
        (vec![first(), part(1, 3, 2, &["b"])], "expected a part of 2, got part 1 of 3"),
        (vec![first(), single.clone()], "no split.no"),
        (vec![first(), part(1, 2, 2, &["a"])], "the tensor a is in two parts"),
        (vec![first(), part(1, 2, 2, &["b", "c"])], "expected 2 tensors in all parts (split.tensors.count), got 3"),
    ] {
        let error = join(files.iter().map(|file| header(file).unwrap()).collect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn names_of_parts() {
    let names = ["a-b-00001-of-00003.gguf", "a-b-00002-of-00003.gguf", "a-b-00003-of-00003.gguf"];
    assert_eq!(part_names(names[1]).unwrap(), names);
    for other in ["a.gguf", "a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-1-of-3.gguf", "a-00001-of-+0003.gguf"]
    {
        assert_eq!(part_names(other), None, "{other}");
    }
}
