//! How does the API use MongoDB?

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{Client, bson::doc, options::ClientOptions};
use serde::Serialize;

use super::{Dependency, Failure};
use crate::configuration::MongoDB as Settings;

pub const QUERY: &str = "listCollections";

const PATIENCE: Duration = Duration::from_millis(1_500);

/// What the example answers.
#[derive(Serialize)]
pub struct Collections {
    database: String,
    collections: Vec<String>,
}

/// A client with a pool of its own.
pub struct MongoDB {
    client: Client,
    database: String,
}

impl MongoDB {
    pub async fn new(settings: Settings) -> Result<Self, Failure> {
        let mut options = ClientOptions::parse(settings.uri.reveal()).await?;
        options.server_selection_timeout = Some(PATIENCE);
        options.connect_timeout = Some(PATIENCE);
        Ok(MongoDB { client: Client::with_options(options)?, database: settings.database })
    }

    /// The names of the collections.
    pub async fn ask_example(&self) -> Result<Collections, Failure> {
        let mut collections = self.client.database(&self.database).list_collection_names().await?;
        collections.sort();
        Ok(Collections { database: self.database.clone(), collections })
    }
}

impl Dependency for MongoDB {
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let info = self.client.database("admin").run_command(doc! {"buildInfo": 1}).await?;
            Ok(info.get_str("version")?.to_owned())
        }
        .boxed()
    }
}
