// Requests and answers of one HTTP/1.1 connection, or one HTTP/2 stream. A question is answered on
// the loop that read it, without a task: nothing has to be waited for.

internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore
internal import NIOHTTPTypes
internal import StraitCore

/// Answers requests in the order in which they come.
final class WebAPIExchange: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What exchanges of one connection have in common.
    struct Setting: Sendable {
        let responder: WebAPIResponder
        let connections: OpenConnections
        let connection: any Channel
        let source: WebAPISource
        /// From then on an answer over HTTP/1.1 is the last.
        let until: NIODeadline
    }

    private let setting: Setting
    /// The request whose end has not come.
    private var pending: HTTPRequest?
    private var isClosing = false
    /// More is to be read once answers have been taken.
    private var holdsRead = false

    init(_ setting: Setting) { self.setting = setting }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isClosing else { return }
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.pending = head
            // Not waited for, and not invited: `Expect: 100-continue` gets the refusal.
            let length = head.headerFields[.contentLength]
            if head.headerFields.contains(.transferEncoding) || length.map({ $0 != "0" }) ?? false {
                self.answer(context, hasBody: true)
            }
        case .body(let bytes):
            if bytes.readableBytes > 0 { self.answer(context, hasBody: true) }
        case .end: self.answer(context, hasBody: false)
        }
    }

    /// Reads no more while answers are not taken: who sends requests and reads nothing has one
    /// buffer of requests answered, and no more kept for it.
    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            self.holdsRead = true
            return
        }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if self.holdsRead, context.channel.isWritable {
            self.holdsRead = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !self.isClosing, !self.setting.source.isHTTP2 else {
            return context.close(promise: nil)
        }
        self.send(
            .problem(.badRequest, "the request is no HTTP/1.1, or too large", closes: true), context
        )
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Every request that came is answered by now; and the end of an HTTP/2 stream's requests is
        // no event of this kind.
        if event as? ChannelEvent == .inputClosed, !self.setting.source.isHTTP2 {
            return context.close(promise: nil)
        }
        if event is ChannelShouldQuiesceEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func answer(_ context: ChannelHandlerContext, hasBody: Bool) {
        guard let request = self.pending else { return }
        self.pending = nil
        self.setting.connections.used(self.setting.connection)
        let now = NIODeadline.now()
        var response = self.setting.responder.answer(
            request, from: self.setting.source, hasBody: hasBody, now: now.uptimeNanoseconds)
        let wantsClose = request.headerFields[.connection]?.lowercased().contains("close") ?? false
        if !self.setting.source.isHTTP2, wantsClose || now >= self.setting.until {
            response.closes = true
        }
        self.send(response, context)
    }

    private func send(_ response: WebAPIResponse, _ context: ChannelHandlerContext) {
        var head = response.head
        if response.closes, !self.setting.source.isHTTP2 {
            head.headerFields[.connection] = "close"
        }
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        if !response.body.isEmpty {
            let body = context.channel.allocator.buffer(bytes: response.body)
            context.write(self.wrapOutboundOut(.body(body)), promise: nil)
        }
        guard response.closes else {
            return context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
        self.isClosing = true
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}
