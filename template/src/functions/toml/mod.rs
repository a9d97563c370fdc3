//! `toToml` and `fromToml`, as Go's BurntSushi/toml 1.6 writes and reads.

mod decode;
mod encode;

use crate::value::{Functions, Map, Value};

use super::args::{ANY, STRING, fail, string, utf8};

pub(super) fn register(functions: &mut Functions) {
    functions.add("toToml", &[ANY], |_, args| {
        if args[0].is_nil() {
            return fail("reflect: call of reflect.Value.Type on zero Value");
        }
        // Go: the error's text is the result.
        string(encode::to_string(&args[0]).unwrap_or_else(str::to_owned))
    });
    functions.add("fromToml", &[STRING], |_, args| {
        Ok(Value::Map(match decode::from_str(&utf8(args, 0)) {
            Ok(table) => table,
            Err(error) => {
                let table = Map::new();
                table.insert("Error", Value::string(format!("toml: {error}")));
                table
            }
        }))
    });
}
