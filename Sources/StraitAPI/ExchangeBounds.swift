// What one connection to the operators' socket may take: time and bytes.
//
// The HTTP library closes connections that are silent. These bounds also end those that trickle: a
// request must be whole, and its answer be taken, by a deadline that no single byte moves.

internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes
internal import StraitCore

extension AdminAPI {
    /// What the operators' socket gives to those who connect; what happens beyond stands at
    /// ``Limits``.
    package struct Bounds: Sendable {
        /// Connections that are open at once.
        package var connections = Limits.adminConnectionsMax
        /// For the head of a request, and as long again for its body.
        package var request = Limits.adminRequestTimeout
        /// From the whole request to the end of its answer.
        package var answer = Limits.adminAnswerTimeout
        /// A request's body.
        package var bodyBytes = Limits.adminBodyBytesMax
        /// All header fields of a request.
        package var headBytes = Limits.adminHeadBytesMax
        /// Watches that are open at once.
        package var watchers = Limits.watchersMax
        /// How long a watch is silent at most.
        package var watchKeepAlive = Limits.watchKeepAlive

        /// As ``Limits`` says.
        package init() {}
    }
}

/// Holds one connection to its bounds.
final class ExchangeBounds: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let bounds: AdminAPI.Bounds
    private var deadline: Scheduled<Void>?
    /// Requests whose answers are not whole yet; more than one where requests are pipelined.
    private var unanswered = 0
    private var bodyBytes = 0
    private var isAnswering = false
    private var isRefused = false
    /// The answer is a stream of events, which has no end of its own: instead, each part of it must
    /// be taken by the deadline of an answer.
    private var isStreaming = false
    /// Parts of a stream that the kernel has not taken yet.
    private var untaken = 0
    /// What came is no HTTP: the library says 400, and then reads on for nothing.
    private var isBroken = false

    /// The content type of answers that last.
    static let streamType = "text/event-stream"

    init(_ bounds: AdminAPI.Bounds) { self.bounds = bounds }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.wait(self.bounds.request, context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.wait(self.bounds.request, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.deadline?.cancel()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isRefused else { return }
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.unanswered += 1
            self.bodyBytes = 0
            let announced = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
            guard announced <= self.bounds.bodyBytes else { return self.refuse(context) }
            self.wait(self.bounds.request, context)
        case .body(let bytes):
            self.bodyBytes += bytes.readableBytes
            guard self.bodyBytes <= self.bounds.bodyBytes else { return self.refuse(context) }
        case .end: self.wait(self.bounds.answer, context)
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head(let head):
            self.isAnswering = true
            self.isStreaming = head.headerFields[.contentType] == Self.streamType
        case .body where self.isStreaming:
            return self.writePart(data, promise, context)
        case .body: break
        case .end:
            self.isAnswering = false
            self.isStreaming = false
            self.unanswered -= 1
            guard !self.isBroken else {
                context.writeAndFlush(data, promise: promise)
                return context.close(promise: nil)
            }
            self.wait(self.unanswered > 0 ? self.bounds.answer : self.bounds.request, context)
        }
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.isBroken = true
        context.fireErrorCaught(error)
    }

    /// The process ends: who watches and takes nothing does not hold it up.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, self.isStreaming { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    /// Closes the connection after `duration`, instead of when it would have been closed.
    private func wait(_ duration: Duration, _ context: ChannelHandlerContext) {
        self.deadline?.cancel()
        let channel = context.channel
        self.deadline = context.eventLoop.scheduleTask(in: TimeAmount(duration)) {
            channel.close(promise: nil)
        }
    }

    /// Writes a part of a stream: who does not take it is not written to for ever.
    private func writePart(
        _ data: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext
    ) {
        self.untaken += 1
        if self.untaken == 1 { self.wait(self.bounds.answer, context) }
        let taken = promise ?? context.eventLoop.makePromise(of: Void.self)
        let bounds = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        taken.futureResult.whenSuccess {
            let (handler, context) = bounds.value
            handler.untaken -= 1
            guard handler.isStreaming else { return }
            if handler.untaken == 0 {
                handler.deadline?.cancel()
            } else {
                handler.wait(handler.bounds.answer, context)
            }
        }
        context.write(data, promise: taken)
    }

    /// Says that the body is too large where nothing was said yet, and closes.
    private func refuse(_ context: ChannelHandlerContext) {
        self.isRefused = true
        if self.unanswered == 1, !self.isAnswering {
            let head = HTTPResponse(
                status: .contentTooLarge, headerFields: [.connection: "close", .contentLength: "0"])
            context.write(self.wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
        context.close(promise: nil)
    }
}
