//! Operators that the passes and the builder name. A name that is not in the table does not compile.

use super::{MICROSOFT, OWN_DOMAIN, Op, find};

const fn standard(name: &str) -> &'static Op {
    in_domain("", name)
}

const fn in_domain(domain: &str, name: &str) -> &'static Op {
    match find(domain, name) {
        Some(op) => op,
        // Evaluated by the compiler alone, which shows the name that is wrong.
        None => panic!("there is no operator of this name"),
    }
}

pub const ADD: &Op = standard("Add");
pub const BATCH_NORMALIZATION: &Op = standard("BatchNormalization");
pub const CAST: &Op = standard("Cast");
pub const CLIP: &Op = standard("Clip");
pub const CONCAT: &Op = standard("Concat");
pub const CONV: &Op = standard("Conv");
pub const DIV: &Op = standard("Div");
pub const DYNAMIC_QUANTIZE_LINEAR: &Op = standard("DynamicQuantizeLinear");
pub const ERF: &Op = standard("Erf");
pub const GATHER: &Op = standard("Gather");
pub const GELU: &Op = standard("Gelu");
pub const GEMM: &Op = standard("Gemm");
pub const HARD_SIGMOID: &Op = standard("HardSigmoid");
pub const HARD_SWISH: &Op = standard("HardSwish");
pub const IDENTITY: &Op = standard("Identity");
pub const LAYER_NORMALIZATION: &Op = standard("LayerNormalization");
pub const MATMUL: &Op = standard("MatMul");
pub const MATMUL_INTEGER: &Op = standard("MatMulInteger");
pub const MUL: &Op = standard("Mul");
pub const POW: &Op = standard("Pow");
pub const REDUCE_MEAN: &Op = standard("ReduceMean");
pub const RELU: &Op = standard("Relu");
pub const RESHAPE: &Op = standard("Reshape");
pub const RMS_NORMALIZATION: &Op = standard("RMSNormalization");
pub const ROTARY_EMBEDDING: &Op = standard("RotaryEmbedding");
pub const SIGMOID: &Op = standard("Sigmoid");
pub const SLICE: &Op = standard("Slice");
pub const SOFTMAX: &Op = standard("Softmax");
pub const SQRT: &Op = standard("Sqrt");
pub const SUB: &Op = standard("Sub");
pub const SWISH: &Op = standard("Swish");
pub const TANH: &Op = standard("Tanh");
pub const TRANSPOSE: &Op = standard("Transpose");

pub const ADD_LAYER_NORMALIZATION: &Op = in_domain(OWN_DOMAIN, "AddLayerNormalization");
pub const ALIGN_DIMENSIONS: &Op = in_domain(OWN_DOMAIN, "AlignDimensions");
pub const CACHED_ATTENTION: &Op = in_domain(OWN_DOMAIN, "CachedAttention");
pub const CONV_ACTIVATION: &Op = in_domain(OWN_DOMAIN, "Conv");
pub const FUSED_ATTENTION: &Op = in_domain(OWN_DOMAIN, "Attention");
pub const GATED_ACTIVATION: &Op = in_domain(OWN_DOMAIN, "GatedActivation");
pub const MATMUL_BIAS: &Op = in_domain(OWN_DOMAIN, "MatMulBias");
pub const MATMUL_INT4: &Op = in_domain(OWN_DOMAIN, "MatMulInt4");
pub const MATMUL_ON_GPU: &Op = in_domain(OWN_DOMAIN, "MatMulOnGpu");
pub const MATMUL_INT8: &Op = in_domain(OWN_DOMAIN, "MatMulInt8");
pub const MATMUL_PANELS: &Op = in_domain(OWN_DOMAIN, "MatMulPanels");

pub const DYNAMIC_QUANTIZE_MATMUL: &Op = in_domain(MICROSOFT, "DynamicQuantizeMatMul");
pub const MATMUL_NBITS: &Op = in_domain(MICROSOFT, "MatMulNBits");
