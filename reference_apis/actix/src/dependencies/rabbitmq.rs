//! How does the API use RabbitMQ?

use std::{collections::HashSet, sync::Arc};

use amq_protocol::{
    frame::{AMQPFrame, parse_frame},
    protocol::{AMQPClass, connection::AMQPMethod},
    types::AMQPValue,
};
use futures_util::{FutureExt, future::BoxFuture};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
    uri::{AMQPAuthority, AMQPQueryString, AMQPUri, AMQPUserInfo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use super::{Dependency, Failure};
use crate::configuration::RabbitMQ as Settings;

const PERSISTENT: u8 = 2;

/// One connection and one channel with publisher confirms, made when first needed and made anew when closed.
pub struct RabbitMQ {
    settings: Settings,
    link: Mutex<Option<Arc<Link>>>,
}

struct Link {
    connection: Connection,
    channel: Channel,
    declared: Mutex<HashSet<String>>,
    version: String,
}

impl RabbitMQ {
    pub fn new(settings: Settings) -> Self {
        RabbitMQ { settings, link: Mutex::new(None) }
    }

    /// Lay a persistent message into a durable queue; done when the broker has confirmed it.
    pub async fn publish(&self, queue: &str, body: &[u8]) -> Result<(), Failure> {
        let link = self.linked().await?;
        if !link.declared.lock().await.contains(queue) {
            link.declare(queue).await?;
        }
        if link.send(queue, body).await? {
            return Ok(());
        }
        // Somebody deleted the queue since we declared it.
        link.declare(queue).await?;
        if link.send(queue, body).await? { Ok(()) } else { Err("the broker has no such queue".into()) }
    }

    /// Remove a queue; how many messages were in it.
    pub async fn delete(&self, queue: &str) -> Result<u32, Failure> {
        let link = self.linked().await?;
        link.declared.lock().await.remove(queue);
        Ok(link.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?)
    }

    async fn linked(&self) -> Result<Arc<Link>, Failure> {
        let mut kept = self.link.lock().await;
        if let Some(link) = kept.as_ref() {
            if link.connection.status().connected() && link.channel.status().connected() {
                return Ok(link.clone());
            }
        }
        // The old one first: its connection ends when the last request that uses it does.
        *kept = None;
        let made = Arc::new(Link::new(&self.settings).await?);
        *kept = Some(made.clone());
        Ok(made)
    }
}

impl Dependency for RabbitMQ {
    /// Open a channel and close it again: a round trip that needs no privilege and leaves nothing behind.
    fn check(&self) -> BoxFuture<'_, Result<String, Failure>> {
        async {
            let link = self.linked().await?;
            let channel = link.connection.create_channel().await?;
            channel.close(200, "checked".into()).await?;
            Ok(link.version.clone())
        }
        .boxed()
    }
}

impl Link {
    async fn new(settings: &Settings) -> Result<Self, Failure> {
        let version = greeted(settings).await?;
        let uri = AMQPUri {
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: settings.user.clone(),
                    password: settings.password.reveal().to_owned(),
                },
                host: settings.host.clone(),
                port: settings.port,
            },
            vhost: settings.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(10), ..AMQPQueryString::default() },
            ..AMQPUri::default()
        };
        let connection = Connection::connect_uri(uri, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Link { connection, channel, declared: Mutex::default(), version })
    }

    async fn declare(&self, queue: &str) -> Result<(), Failure> {
        self.channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
        self.declared.lock().await.insert(queue.to_owned());
        Ok(())
    }

    /// Publish once; whether the broker put the message into a queue.
    async fn send(&self, queue: &str, body: &[u8]) -> Result<bool, Failure> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties =
            BasicProperties::default().with_content_type("application/json".into()).with_delivery_mode(PERSISTENT);
        let confirm = self.channel.basic_publish("".into(), queue.into(), options, body, properties).await?;
        match confirm.await? {
            Confirmation::Ack(returned) => Ok(returned.is_none()),
            _ => Err("the broker did not confirm the message".into()),
        }
    }
}

/// The version in the broker's greeting. The driver keeps the greeting to itself, so it is heard on a connection of its
/// own, once for each that is made.
async fn greeted(settings: &Settings) -> Result<String, Failure> {
    let mut broker = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
    broker.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut heard = Vec::new();
    loop {
        if broker.read_buf(&mut heard).await? == 0 {
            return Err("the broker hung up before its greeting was whole".into());
        }
        if let Ok((_, frame)) = parse_frame(heard.as_slice()) {
            return version_in(&frame).ok_or_else(|| "the broker does not tell its version".into());
        }
    }
}

fn version_in(frame: &AMQPFrame) -> Option<String> {
    let AMQPFrame::Method(_, AMQPClass::Connection(AMQPMethod::Start(start))) = frame else {
        return None;
    };
    match start.server_properties.inner().get("version")? {
        AMQPValue::LongString(version) => Some(version.to_string()),
        _ => None,
    }
}
