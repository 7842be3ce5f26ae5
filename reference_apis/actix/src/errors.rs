//! Why can a request not be answered, and what is said then?

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use serde_json::json;

/// A request that is not answered as its caller hoped.
#[derive(Debug)]
pub enum Problem {
    /// A dependency is not configured.
    Absent(&'static str),
    /// A dependency does not answer as it should.
    Unreachable(String),
    /// There is no such thing.
    NotFound(String),
    /// A path or a body is not as the contract describes it.
    Invalid(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Absent(name) => write!(formatter, "{name} is not configured"),
            Problem::Unreachable(why) | Problem::NotFound(why) | Problem::Invalid(why) => formatter.write_str(why),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Problem::Absent(_) | Problem::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Problem::NotFound(_) => StatusCode::NOT_FOUND,
            Problem::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let error = self.to_string();
        HttpResponse::build(self.status_code()).json(match self {
            Problem::Absent(_) => json!({"status": "unavailable", "reason": "absent", "error": error}),
            Problem::Unreachable(_) => json!({"status": "unavailable", "reason": "unreachable", "error": error}),
            Problem::NotFound(_) => json!({"status": "not_found", "error": error}),
            Problem::Invalid(_) => json!({"status": "invalid", "error": error}),
        })
    }
}
