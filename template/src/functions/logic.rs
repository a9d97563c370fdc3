//! Defaults, choices, kinds and types.

use crate::value::{Functions, Value};

use super::args::{ANY, Outcome, STRING, boolean, fail, string, text};
use super::cast::is_empty;

pub(super) fn register(functions: &mut Functions) {
    functions.add_variadic("default", &[ANY], ANY, |_, args| {
        let given = args.get(1).filter(|given| !is_empty(given));
        Ok(given.unwrap_or(&args[0]).clone())
    });
    functions.add("empty", &[ANY], |_, args| boolean(is_empty(&args[0])));
    functions.add_variadic("coalesce", &[], ANY, |_, args| {
        Ok(args
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or_default())
    });
    functions.add_variadic("all", &[], ANY, |_, args| boolean(!args.iter().any(is_empty)));
    functions.add_variadic("any", &[], ANY, |_, args| boolean(!args.iter().all(is_empty)));
    functions.add("ternary", &[ANY, ANY, crate::value::Type::Bool], |_, args| {
        let chosen = usize::from(args[2].as_bool() != Some(true));
        Ok(args[chosen].clone())
    });
    functions.add("typeOf", &[ANY], |_, args| string(args[0].type_name()));
    functions.add("typeIs", &[STRING, ANY], |_, args| {
        boolean(text(args, 0) == args[1].type_name().as_bytes())
    });
    functions.add("typeIsLike", &[STRING, ANY], |_, args| {
        let name = args[1].type_name();
        let wanted = text(args, 0);
        boolean(wanted == name.as_bytes() || name.strip_prefix('*').map(str::as_bytes) == Some(wanted))
    });
    functions.add("kindOf", &[ANY], |_, args| string(args[0].kind().to_string()));
    functions.add("kindIs", &[STRING, ANY], |_, args| {
        boolean(text(args, 0) == args[1].kind().to_string().as_bytes())
    });
    functions.add("deepEqual", &[ANY, ANY], |_, args| {
        boolean(args[0].deep_equal(&args[1]))
    });
    functions.add("deepCopy", &[ANY], |_, args| deep_copy(&args[0]));
    functions.add("mustDeepCopy", &[ANY], |_, args| deep_copy(&args[0]));
}

fn deep_copy(value: &Value) -> Outcome {
    if value.is_nil() {
        return fail("reflect: call of reflect.Value.Type on zero Value");
    }
    Ok(value.deep_copy())
}
