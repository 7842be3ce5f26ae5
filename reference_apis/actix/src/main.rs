//! How is the API started?
//!
//!     reference-api CONFIG.json

mod configuration;
mod dependencies;
mod errors;
mod requests;
mod routes;

use std::{env, path::Path, process::exit, time::Duration};

use actix_web::{App, HttpServer, web};

use crate::{
    configuration::Configuration,
    dependencies::Dependencies,
    routes::{Api, configure},
};

#[actix_web::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, path] = arguments.as_slice() else {
        eprintln!("usage: reference-api CONFIG.json");
        exit(1);
    };
    if let Err(problem) = serve(Path::new(path)).await {
        eprintln!("{problem}");
        exit(1);
    }
}

/// Serve the API that one configuration file describes until a signal ends it.
async fn serve(path: &Path) -> Result<(), String> {
    let configuration = Configuration::read(path)?;
    let address = (configuration.host.clone(), configuration.port);
    let api = web::Data::new(Api {
        aggregation: configuration.aggregation,
        dependencies: Dependencies::open(configuration).await?,
    });
    HttpServer::new(move || App::new().app_data(api.clone()).configure(configure))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(2)
        .bind(&address)
        .map_err(|error| format!("{}:{} cannot be listened at: {error}", address.0, address.1))?
        .run()
        .await
        .map_err(|error| error.to_string())
}
