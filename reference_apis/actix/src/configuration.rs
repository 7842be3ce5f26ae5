//! Where does the API listen, and where are its dependencies?
//!
//! One JSON file says it. A file rather than arguments or the environment: both of those are visible to other
//! processes, and passwords are in it. A dependency without a section is absent, which is fine.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

/// Text that is never shown: it has neither `Debug` nor `Display`.
#[derive(Clone, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for a driver.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// How `/health/all` asks its dependencies: one after the other, or all at once.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    #[default]
    Sequential,
    Concurrent,
}

/// A PostgreSQL or MySQL server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub database: String,
}

/// One Redis node, or the nodes of a cluster, as `host:port`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub nodes: Vec<String>,
    #[serde(default)]
    pub cluster: bool,
    pub password: Option<Secret>,
}

/// A RabbitMQ server and the virtual host to publish into.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitMQ {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub vhost: String,
}

/// A Vault server, as a base URL, with a token that may read `secret/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    pub address: String,
    pub token: Secret,
}

/// A MongoDB server. Its URI holds the password, so all of it is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MongoDB {
    pub uri: Secret,
    #[serde(default = "test")]
    pub database: String,
}

fn test() -> String {
    "test".to_owned()
}

/// The whole file. An unknown name is a typing error, so it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    pub host: String,
    pub port: u16,
    #[serde(default)]
    pub aggregation: Aggregation,
    pub vault: Option<Vault>,
    pub postgres: Option<Database>,
    pub mysql: Option<Database>,
    pub mongodb: Option<MongoDB>,
    pub redis: Option<Redis>,
    pub rabbitmq: Option<RabbitMQ>,
}

impl Configuration {
    /// The configuration in a file; a sentence if it is not one.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let content = fs::read(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let mut parser = serde_json::Deserializer::from_slice(&content);
        let found: Result<Self, _> = serde_path_to_error::deserialize(&mut parser);
        let wrong = match found {
            Err(error) => format!("{}: {}", error.path(), expected(error.inner())),
            Ok(_) if parser.end().is_err() => "something follows the JSON".to_owned(),
            Ok(found) if found.redis.as_ref().is_some_and(|it| it.nodes.is_empty()) => {
                "redis.nodes: expected at least one".to_owned()
            }
            Ok(found) => return Ok(found),
        };
        Err(format!("{name} is not a configuration of the reference API:\n  {wrong}"))
    }
}

/// What was expected. What was found is left out: it may be a password.
fn expected(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if !error.is_data() {
        return format!("expected JSON ({message})");
    }
    match message.split_once(", expected ") {
        Some((begin, rest)) if begin.starts_with("invalid") => format!("expected {rest}"),
        _ => message,
    }
}
