"""Every fixed sentence that badges and log readers know word for word."""

from __future__ import annotations

# --- to the badge ---------------------------------------------------------------------------------------------------

TAKEOVER_NOTICE = "检测到新连接，当前通道将于约1.5秒后关闭以切换到新通道"
TIMEOUT_WARNING = "连接将因长时间空闲而关闭，如需继续请发送任意消息。"
REGISTER_FAILED = "设备注册失败"
MEETING_SOUND = "config/assets/evening.wav"
MEETING_BEGUN = "已进入会议模式"
NOT_IN_MODE = "not in mode"
MODE_FAILED = "the mode could not be entered: an error of the server; try again"
HTTP_BODY = b"Server is running\n"
INVALID_CATEGORY = "invalid category"

TERMS_UNKNOWN = "配置服务暂时无法访问，已使用服务器默认配置。"
"""The console does not answer: the settings of the server hold."""

NOT_BOUND = "the device is not bound: it is not served until its owner has entered its code"

# --- spoken -----------------------------------------------------------------------------------------------------------

LLM_FAILED = {
    "zh": "抱歉，我暂时无法理解您的问题，请稍后再试。",
    "en": "Sorry, I cannot answer right now. Please try again later.",
}
TOOL_FAILED = {
    "zh": "抱歉，这个操作没有成功，请稍后再试。",
    "en": "Sorry, that did not work. Please try again later.",
}
ONE_MOMENT = {"zh": "请稍等。", "en": "One moment, please."}
NETWORK_DOWN = {
    "zh": "网络连接中断，请检查网络设置",
    "en": "The network connection is down. Please check the network settings.",
}
NOT_UNDERSTOOD = {"zh": "抱歉，我没有听清，请再说一遍。", "en": "Sorry, I did not catch that. Please say it again."}
GOODBYE = {"zh": "好的，再见。", "en": "Goodbye."}
SILENCE_GOODBYE = {
    "zh": "时间过得真快，我先休息了，再见。",
    "en": "You have been quiet for a while, so I will leave you now. Goodbye.",
}
BIND_ME = {
    "zh": "请登录控制面板，输入{code}，绑定设备。",
    "en": "Please open the control panel and enter {code} to bind this device.",
}
NOT_KNOWN = {
    "zh": "没有找到该设备的版本信息，请正确配置 OTA地址，然后重新编译固件。",
    "en": "This device is not known. Please set the right OTA address, then build the firmware again.",
}
NOW_BOUND = {"zh": "设备已绑定，我们可以开始对话了。", "en": "The device is bound. We can talk now."}
SAID_ENOUGH = {
    "zh": "今天说得够多了，我们明天再聊，再见。",
    "en": "That was enough talking for today. Let us go on tomorrow. Goodbye.",
}
DIGITS = {"zh": ("，", "零一二三四五六七八九"), "en": (", ", "0123456789")}
"""What stands between digits that are said one by one, and the digits."""

MESSAGE_FROM = {"zh": "来自{name}的消息：{text}", "en": "Message from {name}: {text}"}
CLIP_FROM = {"zh": "来自{name}的语音消息。", "en": "Voice message from {name}."}
THE_OPERATOR = {"zh": "管理员", "en": "the operator"}
BADGE_NUMBER = {"zh": "徽章 {digits} ", "en": "badge {digits}"}
ONE_WAITED = {"zh": "你有{count}条消息。", "en": "You have {count} message."}
SOME_WAITED = {"zh": "你有{count}条消息。", "en": "You have {count} messages."}
COUNTS = {
    "zh": ("一", "两", "三", "四", "五", "六", "七", "八", "九", "十"),
    "en": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
}

# --- to the model -----------------------------------------------------------------------------------------------------

TOOL_ERROR = "工具调用出错"
DEVICE_TOOL_FAILED = "MCP工具调用失败"
ARGUMENTS_UNREADABLE = "参数解析失败"
NO_RESULT = "(no result)"
ASKED_BEFORE = (
    "The badge was asked for this just now and has not answered: it may be done. Find out before you ask again."
)
FOUND_OUT = "What was found out or done for the user's last words, as data: {result}"

# --- defaults of the phrase tables --------------------------------------------------------------------------------------

WAKE_WORDS = [
    "你好小智",
    "嘿你好呀",
    "你好小志",
    "小爱同学",
    "你好小鑫",
    "你好小新",
    "小美同学",
    "小龙小龙",
    "喵喵同学",
    "小滨小滨",
    "小冰小冰",
]
EXIT_COMMANDS = ["退出", "关闭", "再见", "exit", "goodbye"]
WAKE_GREETING = "嘿，你好呀"
PROMPT = (
    "You are Badge, a friendly voice assistant on a small wearable. Answer in the user's language, in one to three short "
    "spoken sentences, without lists, headings, links or markup."
)

# --- log lines (event templates; the fields are bound beside them) ------------------------------------------------------

LOG_IDENTITY = "握手解析 device-id: {device} (source={source}, rawPaths={raw_paths})"
LOG_IDENTITY_AUTO = (
    "未从握手中获取 device-id，已回退自动分配 device-id={device}; rawPaths={raw_paths}, headerKeys={header_keys}"
)
LOG_HTTP_PATH = "HTTP upgrade request path={path}"
LOG_AUTH_FAILED = "Authentication failed: {reason}"
LOG_TAKEOVER = "检测到重复连接，启用双通道过渡(≤2s)并接受新连接: device={device}"
LOG_REGISTERED = "注册设备路由: {device}"
LOG_UNREGISTERED = "注销设备路由: {device}"
LOG_REDELIVERED = "离线补投递: device={device}, sent={sent}, dropped={dropped}"
LOG_RECEIVED = "收到{kind}消息：{message}"
LOG_UNKNOWN_TYPE = "收到未知类型消息：{message}"
LOG_SNAPSHOT = "[Workflow] op=snapshot source={source} group={group} to={device} count={count}"
LOG_SNAPSHOT_REGISTER = LOG_SNAPSHOT + " test_mode={test_mode}"
LOG_CALL_UNREADABLE = "function call error: {size} characters"
LOG_USER_TEXT = "大模型收到用户消息: {size} characters"
LOG_PRIVATE_CONFIG = "{seconds} 秒，获取差异化配置成功: {config}"
LOG_COMPONENT_FAILED = "实例化组件失败: {error}"
LOG_LLM_UNMAPPED = "get_llm_for: 未找到用途 {key} 的 llm_by_mode 配置，回退到 default"
LOG_LLM_UNKNOWN = "get_llm_for: llm_by_mode[{key}] 别名未命中(alias={alias}), 回退默认LLM"
LOG_LLM_FAILED = "get_llm_for 失败({key}): {e}，回退默认LLM"
LOG_LLM_DOES_NOT_START = "the language model {model} does not start; what it is asked goes to the next one"
LOG_INSIGHT = "[Coding Insight] final={final} insights={insights} risks={risks} jsonSHA={sha} elapsedMs={elapsed_ms}"
LOG_FINALIZE_REQUEST = "finalize request"
LOG_FINALIZE_ACK = "send ack"
LOG_TIMERS_STOPPED = "stop timers done"
LOG_TIMEOUT = "连接超时，准备关闭"
LOG_DANGEROUS = "设备 {id} 尝试执行危险指令: {cmd}"
LOG_RELEASED = "连接资源已释放"
LOG_STARTED = "WebSocketServer started on {host}:{port}, online_count={online_count}, online={online}; server.stats broadcasting enabled"
LOG_BIND_FAILED = "cannot listen on {host}:{port}: {error}. 可能原因：端口被占用/权限不足/host非法。请确认无旧进程占用端口或调整 server.port。"

RECEIVED_KIND = {"server": "服务器", "integer": "文本", "echo": "文本"}
"""What the received-message log line calls a type, where it is not the type's own name."""
