//! How the program is linked.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A program that may stand anywhere in memory has some 50,000 addresses to mend and a megabyte of its own pages to
    // copy whenever it starts, which is half of what `kiel version` takes. Programs in Go stand at a fixed place, too.
    let target = |name: &str| var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bin=kiel=-no-pie");
    }
}
