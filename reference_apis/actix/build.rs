//! Which versions is the program made of? What `/` says of itself is known only while it is built.

use std::{env, fs, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rustc-env=ACTIX_WEB_VERSION={}", locked("actix-web"));
    println!("cargo:rustc-env=ACTIX_HTTP_VERSION={}", locked("actix-http"));
    println!("cargo:rustc-env=RUST_VERSION={}", compiler());
}

/// The version of a crate in Cargo.lock.
fn locked(name: &str) -> String {
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock is beside build.rs");
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    let line = lines.nth(1).expect("the crate is in Cargo.lock");
    line.trim_start_matches("version = ").trim_matches('"').to_owned()
}

/// The version of the compiler: "rustc 1.95.0 (…)" without the rest.
fn compiler() -> String {
    let output = Command::new(env::var("RUSTC").expect("cargo sets RUSTC"))
        .arg("--version")
        .output()
        .expect("the compiler tells its version");
    let text = String::from_utf8(output.stdout).expect("the version is text");
    text.split(' ').nth(1).expect("the version is the second word").to_owned()
}
