//! Element types of ONNX that Burn has none for: strings, floats of 8 bits and fewer, integers of 4 bits and fewer. Their
//! tensors have another type, and which encoding it is, is known of each slot before the graph runs.
//!
//! # Source
//! The ONNX specification, "Float stored in 8 bits", "Float stored in 4 bits", "4 bit integer types".

use burn::tensor::DType;

use super::host::{self, HostTensor};

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Strings, as indices into a table of [`Texts`](super::texts::Texts).
    Text,
    /// Integers of this many bits, each as one of 8 bits.
    Int { bits: u32, signed: bool },
    /// Floats of this format, each as a byte.
    Float(Format),
}

/// A format of small floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    E4M3FN,
    E4M3FNUZ,
    E5M2,
    E5M2FNUZ,
    E2M1,
    E8M0,
}

impl Encoding {
    /// That of the element type with this number in ONNX; `None` for one that Burn has.
    pub const fn of_number(number: i64) -> Option<Self> {
        Some(match number {
            8 => Self::Text,
            17 => Self::Float(Format::E4M3FN),
            18 => Self::Float(Format::E4M3FNUZ),
            19 => Self::Float(Format::E5M2),
            20 => Self::Float(Format::E5M2FNUZ),
            21 => Self::Int { bits: 4, signed: false },
            22 => Self::Int { bits: 4, signed: true },
            23 => Self::Float(Format::E2M1),
            24 => Self::Float(Format::E8M0),
            25 => Self::Int { bits: 2, signed: false },
            26 => Self::Int { bits: 2, signed: true },
            _ => return None,
        })
    }

    /// The type of the tensors that have it.
    pub const fn storage(self) -> DType {
        match self {
            Self::Text => DType::U32,
            Self::Int { signed: true, .. } => DType::I8,
            Self::Int { signed: false, .. } | Self::Float(_) => DType::U8,
        }
    }

    /// The bits of an element in a file.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Text => 0,
            Self::Int { bits, .. } => bits,
            Self::Float(Format::E2M1) => 4,
            Self::Float(_) => 8,
        }
    }

    /// The elements of a file, several to a byte, each in a byte of its own.
    pub fn unpack(self, packed: &[u8], count: usize) -> Vec<u8> {
        let bits = self.bits().max(1);
        let per_byte = 8 / bits as usize;
        let mask = 0xff >> (8 - bits);
        let element = |at: usize| {
            let raw = packed.get(at / per_byte).copied().unwrap_or(0) >> (at % per_byte * bits as usize) & mask;
            match self {
                // The sign is that of the highest bit.
                Self::Int { signed: true, .. } => ((raw << (8 - bits)) as i8 >> (8 - bits)) as u8,
                _ => raw,
            }
        };
        (0..count).map(element).collect()
    }

    /// The least and the largest integer.
    pub fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Int { bits, signed: true } => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Self::Int { bits, signed: false } => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }

    /// The tensor as numbers of a type that Burn has.
    pub fn decode(self, tensor: HostTensor) -> HostTensor {
        let Self::Float(format) = self else { return tensor };
        let tensor = host::contiguous(tensor);
        let numbers = host::slice::<u8>(&tensor).iter().map(|byte| format.decode(*byte)).collect();
        host::tensor::<f32>(host::shape(&tensor), numbers)
    }

    /// The numbers of `tensor` in this encoding. What is beyond the largest float becomes that if `saturate`, and NaN or
    /// infinity if not; integers wrap around.
    pub fn encode(self, tensor: HostTensor, saturate: bool, round: Round) -> HostTensor {
        let shape = host::shape(&tensor).to_vec();
        match self {
            Self::Float(format) => {
                let bytes = host::to_f32s(tensor).into_iter().map(|x| format.encode(x, saturate, round)).collect();
                host::tensor::<u8>(&shape, bytes)
            }
            Self::Int { bits, signed } => {
                let wrap = |value: i64| {
                    let high = value << (64 - bits);
                    if signed { high >> (64 - bits) } else { ((high as u64) >> (64 - bits)) as i64 }
                };
                let numbers = host::to_i64s(&host::cast(tensor, DType::I64));
                let numbers: Vec<i64> = numbers.into_iter().map(wrap).collect();
                host::from_i64s(self.storage(), &shape, &numbers)
            }
            Self::Text => tensor,
        }
    }
}

/// How a number between two of a format is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Nearest,
    Up,
    Down,
}

impl Format {
    /// The bits of exponent and fraction, and the bias of the exponent.
    const fn fields(self) -> (u32, u32, i32) {
        match self {
            Self::E4M3FN => (4, 3, 7),
            Self::E4M3FNUZ => (4, 3, 8),
            Self::E5M2 => (5, 2, 15),
            Self::E5M2FNUZ => (5, 2, 16),
            Self::E2M1 => (2, 1, 1),
            Self::E8M0 => (8, 0, 127),
        }
    }

    /// The byte of the largest number, the byte beyond it, and that of NaN.
    const fn ends(self) -> (u8, u8, u8) {
        match self {
            Self::E4M3FN => (0x7e, 0x7f, 0x7f),
            Self::E4M3FNUZ | Self::E5M2FNUZ => (0x7f, 0x80, 0x80),
            Self::E5M2 => (0x7b, 0x7c, 0x7e),
            // It has no NaN: a negative zero stands for it.
            Self::E2M1 => (0x7, 0x7, 0x8),
            Self::E8M0 => (0xfe, 0xff, 0xff),
        }
    }

    /// The bit of the sign.
    const fn sign(self) -> u8 {
        match self {
            Self::E2M1 => 0x8,
            Self::E8M0 => 0,
            _ => 0x80,
        }
    }

    fn decode(self, byte: u8) -> f32 {
        let (exponents, fractions, bias) = self.fields();
        let (_, beyond, nan) = self.ends();
        let size = byte & !self.sign();
        match self {
            Self::E4M3FNUZ | Self::E5M2FNUZ if byte == nan => return f32::NAN,
            Self::E4M3FN | Self::E8M0 if size == nan => return f32::NAN,
            Self::E5M2 if size > beyond => return f32::NAN,
            Self::E5M2 if size == beyond => return if byte == size { f32::INFINITY } else { f32::NEG_INFINITY },
            _ => {}
        }
        let exponent = i32::from(size >> fractions) & ((1 << exponents) - 1);
        let fraction = f64::from(size & ((1u16 << fractions) - 1) as u8) / f64::from(1 << fractions);
        let value = match exponent {
            0 if self != Self::E8M0 => fraction * 2f64.powi(1 - bias),
            _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
        };
        (if byte == size { value } else { -value }) as f32
    }

    fn encode(self, x: f32, saturate: bool, round: Round) -> u8 {
        let (largest, beyond, nan) = self.ends();
        if x.is_nan() {
            return nan;
        }
        let negative = x.is_sign_negative() && self != Self::E8M0;
        let x = f64::from(x.abs());
        let most = f64::from(self.decode(largest));
        // The codes of positive numbers have their order.
        let (mut low, mut high) = (0u8, largest);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if f64::from(self.decode(middle)) <= x { low = middle } else { high = middle - 1 }
        }
        let floor = f64::from(self.decode(low));
        // Half of the distance to what would come next.
        let step = f64::from(self.decode(largest)) - f64::from(self.decode(largest - 1));
        let code = if low == largest {
            let outside = match self {
                Self::E8M0 => x > most,
                _ => x.is_infinite() || x >= most + step / 2.0 && !(x == most + step / 2.0 && largest % 2 == 0),
            };
            if !outside || saturate { largest } else { beyond }
        } else {
            let ceiling = f64::from(self.decode(low + 1));
            let up = match round {
                Round::Up => x > floor,
                Round::Down => false,
                Round::Nearest => {
                    let middle = (floor + ceiling) / 2.0;
                    // Ties go to the even code. Powers of two have no fraction, and go up.
                    x > middle || x == middle && (low % 2 == 1 || self == Self::E8M0)
                }
            };
            low + u8::from(up)
        };
        match self {
            // These have neither a negative zero nor a sign of NaN.
            Self::E4M3FNUZ | Self::E5M2FNUZ if code == 0 || code == beyond => code,
            _ if negative => code | self.sign(),
            _ => code,
        }
    }
}
