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
internal import StraitWire

/// How the HTTP library sets a connection up.
struct WebAPIChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let channel: any Channel
    }

    let responder: WebAPIResponder
    let connections = OpenConnections()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(ProxyHeaderReader(self))
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        // How it closed is nobody's concern: the worker's record has it.
        _ = try? await value.channel.closeFuture.get()
    }

    /// Sets up what reads requests.
    fileprivate func begin(_ source: WebAPISource, _ channel: any Channel) throws {
        self.connections.opened(channel, source.prefix)
        let connections = self.connections
        channel.closeFuture.whenComplete { _ in connections.closed(channel) }
        let exchange = WebAPIExchange.Setting(
            responder: self.responder, connections: connections, connection: channel,
            source: source,
            until: NIODeadline.now() + TimeAmount(Limits.webAPIConnectionLifetime))
        if source.isHTTP2 {
            try Self.beginHTTP2(exchange, channel)
        } else {
            try Self.beginHTTP1(exchange, channel)
        }
    }

    private static func beginHTTP1(
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
        try pipeline.addHandler(ExchangeBounds(Self.bounds))
        try pipeline.addHandler(WebAPIExchange(exchange))
    }

    private static func beginHTTP2(
        _ exchange: WebAPIExchange.Setting, _ channel: any Channel
    ) throws {
        var settings = NIOHTTP2Handler.ConnectionConfiguration()
        settings.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Limits.webAPIStreamsMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: Limits.webAPIHeadBytesMax),
        ]
        _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: settings, streamConfiguration: .init()
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                try pipeline.addHandler(ExchangeBounds(Self.bounds))
                try pipeline.addHandler(WebAPIExchange(exchange))
            }
        }
        try channel.pipeline.syncOperations.addHandler(HTTP2Lifetime(until: exchange.until))
    }

    /// Bodies are refused by the exchange, in words.
    private static var bounds: AdminAPI.Bounds {
        var bounds = AdminAPI.Bounds()
        bounds.request = Limits.webAPIRequestTimeout
        bounds.answer = Limits.webAPIRequestTimeout
        bounds.bodyBytes = Int.max
        return bounds
    }
}

/// Reads the PROXY header, sets up what comes behind it, and steps aside.
private final class ProxyHeaderReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let setup: WebAPIChannel
    private var received = ByteBuffer()
    private var deadline: Scheduled<Void>?

    init(_ setup: WebAPIChannel) { self.setup = setup }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        self.deadline = context.eventLoop.scheduleTask(
            in: TimeAmount(Limits.webAPIRequestTimeout)
        ) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var more = self.unwrapInboundIn(data)
        self.received.writeBuffer(&more)
        // The engine sends it whole and first; no more of what follows is looked at than a header
        // may have.
        let count = min(self.received.readableBytes, Limits.proxyV2BytesMax)
        let bytes = self.received.getBytes(at: self.received.readerIndex, length: count) ?? []
        switch ProxyHeader.read(bytes.span) {
        case .needMore: return
        case .absent, .malformed: context.close(promise: nil)
        case .done(let header, let length):
            guard let source = WebAPISource(header) else { return context.close(promise: nil) }
            self.received.moveReaderIndex(forwardBy: length)
            do {
                try self.setup.begin(source, context.channel)
            } catch {
                return context.close(promise: nil)
            }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }

    func removeHandler(
        context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken
    ) {
        if self.received.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(self.received))
            context.fireChannelReadComplete()
        }
        context.leavePipeline(removalToken: removalToken)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
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
