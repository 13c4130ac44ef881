//! Host tensors of any element type: Burn's CPU tensors, with what operators need to read and make them.

use std::sync::Arc;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Element, Shape, TensorData, bf16, f16};
use bytemuck::Pod;

use super::contiguous::pack;
use crate::error::{Error, Result};

/// A tensor in the CPU's memory. It is cheap to clone, and copied on write where it is shared.
pub type HostTensor = FlexTensor;

/// The type of booleans, which are stored as bytes of 0 and 1.
pub const BOOL: DType = DType::Bool(burn::tensor::BoolStore::Native);

/// Evaluates a block with `$T` as the Rust type of `dtype`; booleans are bytes.
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            burn::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            burn::tensor::DType::F32 | burn::tensor::DType::Flex32 => {
                type $T = f32;
                $body
            }
            burn::tensor::DType::F16 => {
                type $T = burn::tensor::f16;
                $body
            }
            burn::tensor::DType::BF16 => {
                type $T = burn::tensor::bf16;
                $body
            }
            burn::tensor::DType::I64 => {
                type $T = i64;
                $body
            }
            burn::tensor::DType::I32 => {
                type $T = i32;
                $body
            }
            burn::tensor::DType::I16 => {
                type $T = i16;
                $body
            }
            burn::tensor::DType::I8 => {
                type $T = i8;
                $body
            }
            burn::tensor::DType::U64 => {
                type $T = u64;
                $body
            }
            burn::tensor::DType::U32 => {
                type $T = u32;
                $body
            }
            burn::tensor::DType::U16 => {
                type $T = u16;
                $body
            }
            _ => {
                type $T = u8;
                $body
            }
        }
    };
}
pub(crate) use with_type;

/// Evaluates a block with `$U` as an unsigned integer of the size of `dtype`, for code that moves elements and does not
/// interpret them.
macro_rules! with_unit {
    ($dtype:expr, $U:ident => $body:expr) => {
        match $crate::graph::host::size_of($dtype) {
            8 => {
                type $U = u64;
                $body
            }
            4 => {
                type $U = u32;
                $body
            }
            2 => {
                type $U = u16;
                $body
            }
            _ => {
                type $U = u8;
                $body
            }
        }
    };
}
pub(crate) use with_unit;

/// An element type, with conversions to the two types in which generic operators compute. Every type fits one of them
/// without loss, except integers beyond 2⁵³ as floats.
pub trait Number: Pod + Element {
    fn to_f64(self) -> f64;
    fn from_f64(value: f64) -> Self;
    fn to_i64(self) -> i64;
    /// Integers wrap around.
    fn from_i64(value: i64) -> Self;
}

macro_rules! integers {
    ($($T:ty),*) => {$(
        impl Number for $T {
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(value: f64) -> Self { value as Self }
            fn to_i64(self) -> i64 { self as i64 }
            fn from_i64(value: i64) -> Self { value as Self }
        }
    )*};
}
integers!(i64, i32, i16, i8, u64, u32, u16, u8);

impl Number for f64 {
    fn to_f64(self) -> f64 {
        self
    }
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_i64(self) -> i64 {
        self as i64
    }
    fn from_i64(value: i64) -> Self {
        value as f64
    }
}

impl Number for f32 {
    fn to_f64(self) -> f64 {
        self.into()
    }
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_i64(self) -> i64 {
        self as i64
    }
    fn from_i64(value: i64) -> Self {
        value as f32
    }
}

macro_rules! halves {
    ($($T:ty),*) => {$(
        impl Number for $T {
            fn to_f64(self) -> f64 { <$T>::to_f64(self) }
            fn from_f64(value: f64) -> Self { <$T>::from_f64(value) }
            fn to_i64(self) -> i64 { <$T>::to_f64(self) as i64 }
            fn from_i64(value: i64) -> Self { <$T>::from_f64(value as f64) }
        }
    )*};
}
halves!(f16, bf16);

/// Whether this is a float type.
pub fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

/// The bytes of one element.
pub fn size_of(dtype: DType) -> usize {
    match dtype {
        DType::F64 | DType::I64 | DType::U64 => 8,
        DType::F32 | DType::Flex32 | DType::I32 | DType::U32 => 4,
        DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
        _ => 1,
    }
}

/// A tensor of `data`, which has as many elements as `shape`.
pub fn tensor<T: Number>(shape: &[usize], data: Vec<T>) -> HostTensor {
    of_type(T::dtype(), shape, data)
}

/// A tensor of booleans.
pub fn bools(shape: &[usize], data: Vec<u8>) -> HostTensor {
    of_type(BOOL, shape, data)
}

/// A tensor of `data` as elements of the type `dtype`, which has the size of `T`.
pub fn of_type<T: Number>(dtype: DType, shape: &[usize], data: Vec<T>) -> HostTensor {
    debug_assert_eq!(shape.iter().product::<usize>(), data.len());
    HostTensor::new(Bytes::from_elems(data), Layout::contiguous(Shape::from(shape.to_vec())), dtype)
}

/// The contiguous form of a tensor, without gaps or offset.
pub fn contiguous(tensor: HostTensor) -> HostTensor {
    let whole = tensor.layout().num_elements() * size_of(tensor.dtype()) == tensor.bytes().len();
    if tensor.layout().is_contiguous() && tensor.layout().start_offset() == 0 && whole {
        return tensor;
    }
    let dtype = tensor.dtype();
    with_unit!(dtype, U => {
        let packed = pack::<U>(bytemuck::cast_slice(tensor.bytes()), tensor.layout());
        of_type(dtype, shape(&tensor), packed)
    })
}

/// The elements of a contiguous tensor, whose type is `T` or has its size.
pub fn slice<T: Pod>(tensor: &HostTensor) -> &[T] {
    debug_assert!(tensor.layout().is_contiguous() && tensor.layout().start_offset() == 0);
    bytemuck::cast_slice(tensor.bytes())
}

/// The elements, whose type is `T` or has its size; without a copy where the tensor is not shared.
pub fn into_vec<T: Pod>(tensor: HostTensor) -> Vec<T> {
    match into_bytes(tensor).try_into_vec::<T>() {
        Ok(numbers) => numbers,
        Err(bytes) => bytemuck::pod_collect_to_vec(&bytes),
    }
}

/// The shape.
pub fn shape(tensor: &HostTensor) -> &[usize] {
    tensor.layout().shape()
}

/// The tensor in another shape with as many elements.
pub fn reshape(tensor: HostTensor, shape: &[usize]) -> HostTensor {
    let tensor = contiguous(tensor);
    tensor.with_layout(Layout::contiguous(Shape::from(shape.to_vec())))
}

/// The elements as 64-bit integers.
pub fn to_i64s(tensor: &HostTensor) -> Vec<i64> {
    let tensor = contiguous(tensor.clone());
    with_type!(tensor.dtype(), T => slice::<T>(&tensor).iter().map(|value| value.to_i64()).collect())
}

/// The elements as doubles.
pub fn to_f64s(tensor: &HostTensor) -> Vec<f64> {
    let tensor = contiguous(tensor.clone());
    with_type!(tensor.dtype(), T => slice::<T>(&tensor).iter().map(|value| value.to_f64()).collect())
}

/// The elements as 32-bit floats; without a copy where they are.
pub fn to_f32s(tensor: HostTensor) -> Vec<f32> {
    let tensor = contiguous(tensor);
    if tensor.dtype() == DType::F32 {
        return into_vec(tensor);
    }
    with_type!(tensor.dtype(), T => slice::<T>(&tensor).iter().map(|value| value.to_f64() as f32).collect())
}

/// A tensor of the type `dtype` from 64-bit integers.
pub fn from_i64s(dtype: DType, shape: &[usize], data: &[i64]) -> HostTensor {
    if dtype == BOOL {
        return bools(shape, data.iter().map(|value| u8::from(*value != 0)).collect());
    }
    with_type!(dtype, T => tensor(shape, data.iter().map(|value| T::from_i64(*value)).collect::<Vec<T>>()))
}

/// A tensor of the type `dtype` from doubles.
pub fn from_f64s(dtype: DType, shape: &[usize], data: &[f64]) -> HostTensor {
    if dtype == BOOL {
        return bools(shape, data.iter().map(|value| u8::from(*value != 0.0)).collect());
    }
    with_type!(dtype, T => tensor(shape, data.iter().map(|value| T::from_f64(*value)).collect::<Vec<T>>()))
}

/// `tensor` converted to `dtype`. Floats are truncated to integers, integers wrap around.
pub fn cast(tensor: HostTensor, dtype: DType) -> HostTensor {
    if tensor.dtype() == dtype {
        return tensor;
    }
    if dtype == DType::F32 {
        let shape = shape(&tensor).to_vec();
        return self::tensor(&shape, to_f32s(tensor));
    }
    if is_float(tensor.dtype()) {
        return from_f64s(dtype, shape(&tensor), &to_f64s(&tensor));
    }
    if tensor.dtype() == DType::U64 && is_float(dtype) {
        return from_f64s(dtype, shape(&tensor), &to_f64s(&tensor));
    }
    from_i64s(dtype, shape(&tensor), &to_i64s(&tensor))
}

/// A tensor from the caller's data.
pub fn from_data(data: TensorData) -> HostTensor {
    HostTensor::from_data(data)
}

/// A tensor as the caller's data.
pub fn into_data(tensor: HostTensor) -> TensorData {
    let (shape, dtype) = (tensor.layout().shape().clone(), tensor.dtype());
    TensorData::from_bytes(into_bytes(tensor), shape, dtype)
}

/// The bytes of the contiguous form; without a copy where the tensor is not shared.
///
/// `FlexTensor::into_data` would do, but it also copies strided views, with code for each type: 100 KB of WebAssembly.
pub fn into_bytes(tensor: HostTensor) -> Bytes {
    let tensor = contiguous(tensor);
    let bytes = tensor.data_arc();
    drop(tensor);
    Arc::try_unwrap(bytes).unwrap_or_else(|shared| Bytes::from_bytes_vec(shared.to_vec()))
}

/// The number of elements of a tensor of this shape.
///
/// # Errors
/// Invalid input: more than `most`, or more if the zero dimensions were 1, so that the product of any of the dimensions
/// can be computed without overflow.
pub fn count(shape: &[usize], most: usize) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |count, dim| count.checked_mul(*dim.max(&1)));
    match count.filter(|count| *count <= most) {
        Some(count) => Ok(if shape.contains(&0) { 0 } else { count }),
        None => {
            Err(Error::invalid_input(format!("a tensor of the shape {shape:?} would have more than {most} elements")))
        }
    }
}

/// The contiguous strides of a shape, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

/// The shape that both can be broadcast to.
///
/// # Errors
/// Invalid input: they cannot be broadcast.
///
/// # Source
/// The ONNX specification, "Broadcasting": as NumPy does.
pub fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(Error::invalid_input(format!("the shapes {a:?} and {b:?} cannot be broadcast to each other"))),
        })
        .collect()
}

/// `tensor` broadcast to `shape`, as a view whose repeated dimensions have the stride 0.
///
/// # Errors
/// Invalid input: it cannot be.
pub fn expand(tensor: HostTensor, shape: &[usize]) -> Result<HostTensor> {
    let own = self::shape(&tensor);
    if own == shape {
        return Ok(tensor);
    }
    if broadcast_shape(own, shape)? != shape {
        return Err(Error::invalid_input(format!("the shape {own:?} cannot be broadcast to {shape:?}")));
    }
    let missing = shape.len() - own.len();
    let strides = (0..shape.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis_of_own) if own[axis_of_own] == shape[axis] => tensor.layout().strides()[axis_of_own],
            _ => 0,
        })
        .collect();
    let layout = Layout::new(Shape::from(shape.to_vec()), strides, tensor.layout().start_offset());
    Ok(tensor.with_layout(layout))
}
