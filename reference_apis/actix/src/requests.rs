//! Is a request as the contract describes it?

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{Ready, ready};
use serde_json::{Map, Value};

use crate::errors::Problem;

pub const LARGEST_BODY_BYTES: usize = 16 << 20;

const LONGEST_NAME: usize = 200;
const LONGEST_VALUE: usize = 10_000;
const LONGEST_TTL: u64 = 86_400;

/// A JSON object. Not a struct: serde would take an array for one.
pub type Fields = web::Json<Map<String, Value>>;

/// The name in a path: 1 to 200 letters, digits, `_` `.` `:` and `-`.
pub struct Name(pub String);

impl FromRequest for Name {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let found = web::Path::<String>::from_request(request, payload).into_inner();
        ready(match found {
            Ok(name) if is_name(&name) => Ok(Name(name.into_inner())),
            _ => Err(Problem::Invalid("a name has 1 to 200 letters, digits, _ . : and -".to_owned())),
        })
    }
}

fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(known)
}

/// What is to be kept, and for how many seconds (none: for ever).
pub struct CacheValue {
    pub value: String,
    pub ttl: Option<u64>,
}

impl CacheValue {
    pub fn of(mut fields: Fields) -> Result<Self, Problem> {
        let Some(Value::String(value)) = fields.get_mut("value").map(Value::take) else {
            return Err(Problem::Invalid("value: expected a string".to_owned()));
        };
        if value.chars().count() > LONGEST_VALUE {
            return Err(Problem::Invalid(format!("value: expected at most {LONGEST_VALUE} characters")));
        }
        let ttl = match fields.get("ttl") {
            None | Some(Value::Null) => None,
            Some(found) => match found.as_u64() {
                Some(seconds) if (1..=LONGEST_TTL).contains(&seconds) => Some(seconds),
                _ => {
                    let why = format!("ttl: expected an integer from 1 to {LONGEST_TTL}, or null");
                    return Err(Problem::Invalid(why));
                }
            },
        };
        Ok(CacheValue { value, ttl })
    }
}

/// What is to be published, as JSON: any value.
pub fn message_of(fields: &Fields) -> Result<Vec<u8>, Problem> {
    let message = fields.get("message").ok_or_else(|| Problem::Invalid("message: required".to_owned()))?;
    Ok(message.to_string().into_bytes())
}
