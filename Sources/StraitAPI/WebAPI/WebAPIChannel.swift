// A connection from a worker to `/webapi`: a PROXY header of version 2, then the HTTP that it says
// was agreed on. One socket does for both, as the header comes before either.

internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOHTTPTypesHTTP1
internal import NIOHTTPTypesHTTP2
internal import StraitCore

/// How the HTTP library sets a connection up.
struct WebAPIChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
    }

    let responder: WebAPIResponder
    /// For a PROXY header, for a request, and for its answer.
    let requestTimeout: Duration
    let connections = OpenConnections()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                ProxyHeaderReader(within: self.requestTimeout) { header, channel in
                    guard let source = WebAPISource(header) else { return false }
                    try self.begin(source, channel)
                    return true
                })
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        // How it closed is nobody's concern: the worker's record has it.
        _ = try? await value.channel.closeFuture.get()
    }

    /// Sets up what reads requests.
    private func begin(_ source: WebAPISource, _ channel: any Channel) throws {
        self.connections.opened(channel, source.prefix)
        let connections = self.connections
        channel.closeFuture.whenComplete { _ in connections.closed(channel) }
        try channel.pipeline.syncOperations.addHandler(
            ReceivedBytes(max: Limits.webAPIConnectionBytesMax))
        let exchange = WebAPIExchange.Setting(
            responder: self.responder, connections: connections, connection: channel,
            source: source,
            until: NIODeadline.now() + TimeAmount(Limits.webAPIConnectionLifetime))
        if source.isHTTP2 {
            try self.beginHTTP2(exchange, channel)
        } else {
            try self.beginHTTP1(exchange, channel)
        }
    }

    private func beginHTTP1(
        _ exchange: WebAPIExchange.Setting, _ channel: any Channel
    ) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = Limits.webAPIHeadBytesMax
        limits.maxHeaderListSize = Limits.webAPIHeadBytesMax
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false,
            withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: limits)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: true))
        try pipeline.addHandler(ExchangeBounds(self.bounds))
        try pipeline.addHandler(WebAPIExchange(exchange))
    }

    private func beginHTTP2(
        _ exchange: WebAPIExchange.Setting, _ channel: any Channel
    ) throws {
        var settings = NIOHTTP2Handler.ConnectionConfiguration()
        settings.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Limits.webAPIStreamsMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: Limits.webAPIHeadBytesMax),
        ]
        let bounds = self.bounds
        _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: settings, streamConfiguration: .init()
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                try pipeline.addHandler(ExchangeBounds(bounds))
                try pipeline.addHandler(WebAPIExchange(exchange))
            }
        }
        try channel.pipeline.syncOperations.addHandler(HTTP2Lifetime(until: exchange.until))
    }

    /// Bodies are refused by the exchange, in words.
    private var bounds: AdminAPI.Bounds {
        var bounds = AdminAPI.Bounds()
        bounds.request = self.requestTimeout
        bounds.answer = self.requestTimeout
        bounds.bodyBytes = Int.max
        return bounds
    }
}

/// Closes a connection that sends more than all its questions may take.
///
/// The HTTP library ends floods of some HTTP/2 frames, and not of others (WINDOW_UPDATE, GOAWAY);
/// what it does not know it collects: a flood of such frames was 1.7 GB after five seconds.
private final class ReceivedBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// How many more may come.
    private var left: Int

    init(max: Int) { self.left = max }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.left >= 0 else { return }
        self.left -= self.unwrapInboundIn(data).readableBytes
        guard self.left >= 0 else { return context.close(promise: nil) }
        context.fireChannelRead(data)
    }
}

/// Ends an HTTP/2 connection: when it has lived long enough, and when the worker has nothing more
/// to send.
private final class HTTP2Lifetime: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let until: NIODeadline
    private var end: Scheduled<Void>?

    /// Between saying goodbye and closing.
    private static let goodbye = TimeAmount.seconds(1)

    init(until: NIODeadline) { self.until = until }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let channel = context.channel
        self.end = context.eventLoop.scheduleTask(deadline: self.until) {
            // RFC 9113 §6.8: what was not answered may be asked again elsewhere.
            let frame = HTTP2Frame(
                streamID: .rootStream,
                payload: .goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil))
            bound.value.writeAndFlush(Self.wrap(frame), promise: nil)
            channel.eventLoop.scheduleTask(in: Self.goodbye) { channel.close(promise: nil) }
        }
    }

    private static func wrap(_ frame: HTTP2Frame) -> NIOAny { NIOAny(frame) }

    func handlerRemoved(context: ChannelHandlerContext) { self.end?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { return context.close(promise: nil) }
        if event is ChannelShouldQuiesceEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
