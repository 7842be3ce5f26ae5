//! How does the API use Vault?

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, StatusCode, header, redirect::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{DEADLINE, Dependency, Failure};
use crate::configuration::Vault as Settings;

const MASKED: &str = "********";

/// A secret, its passwords masked, and its version.
#[derive(Serialize)]
pub struct Secret {
    data: Map<String, Value>,
    version: u64,
}

#[derive(Deserialize)]
struct Health {
    version: String,
}

#[derive(Deserialize)]
struct Read {
    data: Newest,
}

#[derive(Deserialize)]
struct Newest {
    data: Map<String, Value>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

/// An HTTP client with kept connections. Secrets are read each time they are asked for, never kept.
pub struct Vault {
    address: String,
    client: Client,
}

impl Vault {
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let mut token = header::HeaderValue::from_str(settings.token.reveal())?;
        token.set_sensitive(true);
        let client = Client::builder()
            .default_headers([(header::HeaderName::from_static("x-vault-token"), token)].into_iter().collect())
            .timeout(DEADLINE)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Vault { address: settings.address.trim_end_matches('/').to_owned(), client })
    }

    /// The newest secret of a service.
    pub async fn read(&self, service: &str) -> Result<Option<Secret>, Failure> {
        let Some(Read { data: Newest { mut data, metadata } }) =
            self.get(&format!("/v1/secret/data/{service}")).await?
        else {
            return Ok(None);
        };
        for (name, value) in &mut data {
            if name.contains("password") {
                *value = MASKED.into();
            }
        }
        Ok(Some(Secret { data, version: metadata.version }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer.json().await?)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("Vault answered {status}").into()),
        }
    }
}

impl Dependency for Vault {
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let health: Option<Health> = self.get("/v1/sys/health").await?;
            Ok(health.ok_or("it is not Vault that answers")?.version)
        }
        .boxed()
    }
}
