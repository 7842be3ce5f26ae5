package dependencies

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"reference-api/configuration"
)

// channels is how many messages may be on their way to the broker at once.
const channels = 32

var (
	errReturned  = errors.New("the broker has no such queue")
	errRefused   = errors.New("the broker did not confirm the message")
	errNoVersion = errors.New("the broker does not tell its version")
)

// RabbitMQ is one connection, made when first needed and made anew when closed, with a pool of channels on it.
// A channel serves one request at a time, so that what the broker returns on it belongs to that request.
type RabbitMQ struct {
	url  string
	idle chan *channel

	connecting sync.Mutex
	connection *amqp.Connection

	declaring sync.RWMutex
	declared  map[string]bool
}

// channel has publisher confirms; `returned` has what the broker could not put anywhere.
type channel struct {
	*amqp.Channel
	returned chan amqp.Return
}

func newRabbitMQ(settings configuration.RabbitMQ) (*RabbitMQ, error) {
	address := url.URL{
		Scheme:  "amqp",
		User:    url.UserPassword(settings.User, settings.Password.Reveal()),
		Host:    net.JoinHostPort(settings.Host, strconv.Itoa(settings.Port)),
		Path:    "/" + settings.VHost,
		RawPath: "/" + url.PathEscape(settings.VHost),
	}
	idle := make(chan *channel, channels)
	for range channels {
		// A place in the pool whose channel is opened when it is first needed.
		idle <- nil
	}
	return &RabbitMQ{url: address.String(), idle: idle, declared: map[string]bool{}}, nil
}

// Check opens a channel and closes it again: a round trip that needs no privilege and leaves nothing behind.
func (rabbitmq *RabbitMQ) Check(ctx context.Context) (string, error) {
	return within(ctx, rabbitmq, func() (string, error) {
		connection, err := rabbitmq.connected()
		if err != nil {
			return "", err
		}
		opened, err := connection.Channel()
		if err != nil {
			return "", err
		}
		version, ok := connection.Properties["version"].(string)
		if !ok {
			return "", errors.Join(errNoVersion, opened.Close())
		}
		return version, opened.Close()
	})
}

// Publish lays a persistent message into a durable queue; done when the broker has confirmed it.
func (rabbitmq *RabbitMQ) Publish(ctx context.Context, queue string, body []byte) error {
	_, err := withChannel(ctx, rabbitmq, func(on *channel) (struct{}, error) {
		if !rabbitmq.knows(queue) {
			if err := rabbitmq.declare(on, queue); err != nil {
				return struct{}{}, err
			}
		}
		err := on.publish(ctx, queue, body)
		if errors.Is(err, errReturned) {
			// Somebody deleted the queue since we declared it.
			if err = rabbitmq.declare(on, queue); err == nil {
				err = on.publish(ctx, queue, body)
			}
		}
		return struct{}{}, err
	})
	return err
}

// Delete removes a queue; how many messages were in it.
func (rabbitmq *RabbitMQ) Delete(ctx context.Context, queue string) (int, error) {
	rabbitmq.declaring.Lock()
	delete(rabbitmq.declared, queue)
	rabbitmq.declaring.Unlock()
	return withChannel(ctx, rabbitmq, func(on *channel) (int, error) {
		return on.QueueDelete(queue, false, false, false)
	})
}

// Close ends the connection.
func (rabbitmq *RabbitMQ) Close() {
	rabbitmq.connecting.Lock()
	defer rabbitmq.connecting.Unlock()
	if rabbitmq.connection != nil {
		_ = rabbitmq.connection.CloseDeadline(time.Now().Add(time.Second))
	}
}

func (on *channel) publish(ctx context.Context, queue string, body []byte) error {
	message := amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body}
	sent, err := on.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, message)
	if err != nil {
		return err
	}
	confirmed, err := sent.WaitContext(ctx)
	if err != nil {
		return err
	}
	select {
	// What is returned is returned before it is confirmed.
	case <-on.returned:
		return errReturned
	default:
	}
	if !confirmed {
		return errRefused
	}
	return nil
}

func (rabbitmq *RabbitMQ) knows(queue string) bool {
	rabbitmq.declaring.RLock()
	defer rabbitmq.declaring.RUnlock()
	return rabbitmq.declared[queue]
}

func (rabbitmq *RabbitMQ) declare(on *channel, queue string) error {
	if _, err := on.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		return err
	}
	rabbitmq.declaring.Lock()
	defer rabbitmq.declaring.Unlock()
	rabbitmq.declared[queue] = true
	return nil
}

// connected gives the living connection, a new one if there is none. Connecting takes less than the deadline.
func (rabbitmq *RabbitMQ) connected() (*amqp.Connection, error) {
	rabbitmq.connecting.Lock()
	defer rabbitmq.connecting.Unlock()
	if rabbitmq.connection == nil || rabbitmq.connection.IsClosed() {
		made, err := amqp.DialConfig(rabbitmq.url, amqp.Config{
			Heartbeat: 10 * time.Second,
			Dial:      amqp.DefaultDial(Deadline),
		})
		if err != nil {
			return nil, err
		}
		rabbitmq.connection = made
		rabbitmq.declaring.Lock()
		clear(rabbitmq.declared)
		rabbitmq.declaring.Unlock()
	}
	return rabbitmq.connection, nil
}

func (rabbitmq *RabbitMQ) channel() (*channel, error) {
	connection, err := rabbitmq.connected()
	if err != nil {
		return nil, err
	}
	opened, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	if err := opened.Confirm(false); err != nil {
		return nil, err
	}
	return &channel{opened, opened.NotifyReturn(make(chan amqp.Return, 1))}, nil
}

// withChannel does something on a channel that nobody else uses meanwhile. One on which anything went wrong is
// not used again.
func withChannel[Answer any](
	ctx context.Context, rabbitmq *RabbitMQ, do func(*channel) (Answer, error),
) (answer Answer, err error) {
	var on *channel
	select {
	case on = <-rabbitmq.idle:
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	return within(ctx, rabbitmq, func() (Answer, error) {
		var none Answer
		if on == nil || on.IsClosed() {
			var err error
			if on, err = rabbitmq.channel(); err != nil {
				rabbitmq.idle <- nil
				return none, err
			}
		}
		found, err := do(on)
		if err != nil {
			_ = on.Close()
			rabbitmq.idle <- nil
			return none, err
		}
		rabbitmq.idle <- on
		return found, nil
	})
}

// within gives up when the time is over. The driver's calls know no deadline of their own: a broker that is
// silent for that long loses its connection, which ends the call.
func within[Answer any](
	ctx context.Context, rabbitmq *RabbitMQ, do func() (Answer, error),
) (answer Answer, err error) {
	done := make(chan struct{})
	var found Answer
	var failed error
	go func() {
		defer close(done)
		found, failed = do()
	}()
	select {
	case <-done:
		return found, failed
	case <-ctx.Done():
		go rabbitmq.abandon()
		return answer, fmt.Errorf("the broker is silent: %w", ctx.Err())
	}
}

// abandon drops a connection whose broker is silent.
func (rabbitmq *RabbitMQ) abandon() {
	rabbitmq.connecting.Lock()
	defer rabbitmq.connecting.Unlock()
	if rabbitmq.connection != nil {
		_ = rabbitmq.connection.CloseDeadline(time.Now())
	}
}
