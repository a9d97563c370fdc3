//! Secret values and files: werf's cipher and kiel's authenticated one, keys, whole YAML files.
//!
//! Promises: what werf has encrypted is decrypted and the other way round; no error's text holds a plaintext or a key;
//! editing a file of values changes the leaves that were edited and nothing else. `docs/secrets.md` is the
//! specification. Deliberately not here: the environment, the commit, terminals; the callers bring them.

mod cipher;
mod editor;
mod error;
mod keys;
mod leaves;
mod scalar;
mod tidy;
mod values;

#[cfg(test)]
mod tests;

pub use self::cipher::{Cipher, Key};
pub use self::editor::{Edited, edit, private_folder};
pub use self::error::SecretError;
pub use self::keys::{KeySources, find_key, generate_key};
pub use self::tidy::tidy;
pub use self::values::{Leaf, decrypt_values, encrypt_values, merge_edited, readable_values, rotate_values};
