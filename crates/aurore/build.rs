//! Lists the files of the embedded checkpoint, so that the program builds with and without them.

use std::fmt::Write as _;
use std::path::Path;

const FILES: &[&str] = &[
    "aurore.json",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../models/nano");
    println!("cargo::rerun-if-changed={}", folder.display());
    let wanted =
        std::env::var_os("CARGO_FEATURE_NANO").is_some() && folder.join("model.safetensors").is_file();
    // Tests of the embedded model are built where there is one.
    println!("cargo::rustc-check-cfg=cfg(nano_embedded)");
    let mut list = String::from("&[");
    if wanted {
        println!("cargo::rustc-cfg=nano_embedded");
        let folder = folder.canonicalize()?;
        for name in FILES {
            let file = folder.join(name);
            if file.is_file() {
                let file = file.to_str().ok_or("the path of this clone is not UTF-8")?;
                println!("cargo::rerun-if-changed={file}");
                write!(list, "({name:?}, include_bytes!({file:?}).as_slice()), ")?;
            }
        }
    }
    list.push(']');
    let out = Path::new(&std::env::var("OUT_DIR")?).join("nano.rs");
    std::fs::write(out, list)?;
    Ok(())
}
