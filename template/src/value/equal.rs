//! Deep equality.

use super::{MAX_NESTING, Value, Visits};

impl Value {
    /// Go: `reflect.DeepEqual`. Types must be the same (`1` and `1.0` differ, `[]string` and `[]interface {}`
    /// differ), a nil map or slice differs from an empty one, NaN differs from itself.
    pub fn deep_equal(&self, other: &Self) -> bool {
        equal(self, other, 0, &Visits::new())
    }
}

fn equal(a: &Value, b: &Value, depth: usize, visits: &Visits) -> bool {
    // A cycle that held equal this far down is equal, as Go's visited set decides.
    if depth >= MAX_NESTING {
        return true;
    }
    if !visits.allow() {
        return false;
    }
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, ka), Value::Int(b, kb)) => ka == kb && a == b,
        (Value::Uint(a, ka), Value::Uint(b, kb)) => ka == kb && a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(ar, ai), Value::Complex(br, bi)) => ar == br && ai == bi,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.slice_type().name != b.slice_type().name || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return false;
            }
            a.same(b)
                || a.to_vec()
                    .iter()
                    .zip(&b.to_vec())
                    .all(|(a, b)| equal(a, b, depth + 1, visits))
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.map_type().name != b.map_type().name || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return false;
            }
            a.same(b)
                || a.to_vec()
                    .iter()
                    .zip(&b.to_vec())
                    .all(|((ka, va), (kb, vb))| ka == kb && equal(va, vb, depth + 1, visits))
        }
        (Value::Object(a), Value::Object(b)) => a.equals(&**b),
        _ => false,
    }
}
