from rest_framework.routers import SimpleRouter

from conversations.views import ConversationViewSet

router = SimpleRouter(use_regex_path=False)
router.register("conversations", ConversationViewSet, basename="conversation")

urlpatterns = router.urls
